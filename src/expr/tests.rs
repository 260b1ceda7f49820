//! Reading, printing and evaluating formulas, and the messages for those that can't be read.

use super::*;
use crate::rng::{Purpose, Rng};

const XY: &[&str] = &["x", "y"];

/// Formulas of all kinds of nodes side by side, for whatever must hold for any.
pub(super) const FORMULAS: &[&str] = &[
    "1",
    "x",
    "-x",
    "--x",
    "pi*e*x",
    "1.5e-3*x",
    "-2*x",
    "(-2)^2*x",
    "-2^2*x",
    "-x^2",
    "(-x)^2",
    "x^-2",
    "x^-(2*y)^2",
    "(x^2)^3",
    "x^3*y^2",
    "2^x^y",
    "(2^x)^y",
    "x - y - 1",
    "x - (y - 1)",
    "x/y/2",
    "x/(y/2)",
    "x*(y*2)",
    "x//0.7 - y%0.3",
    "(x - y)%(1.5 + abs(y))",
    "-(x + y)*(x - y)",
    "(x < y) + (x >= y)*2",
    "x*(x > 0) - y*(y <= 0)",
    "not x > 0 and y > 0 or x == y",
    "not (x > 0 and (y > 0 or x != y))",
    "(not x) + 2",
    "abs(x - y)*(1 + 9*(y > 0))",
    "if(x > 0, x^2, exp(x) - 1)",
    "if(x*y, sin(x), cos(y))",
    "min(x, y)*max(x, 2*y)",
    "clamp(x*y, -1, 2)",
    "clamp(x, y - 2, y + 2)",
    "x*sigmoid(1.702*x)",
    "0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3)))",
    "softplus(x) - relu(x) + log10(1 + x^2)",
    "sqrt(1 + (x - y)^2) - 1",
    "ln(1 + exp(-x*y)) + log2(1.5 + sin(y))",
    "exp(y)*exp(-exp(x))",
    "(1 + x^2)^y",
    "tan(x/3)/(1 + cos(y)^2)",
    "floor(2*x) + ceil(y) + sign(x)*y",
    "abs(x)^1.5 + pow(abs(y), 0.3)",
];

fn parsed(text: &str) -> Expr {
    Expr::parse(text, XY).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[test]
fn operators_bind_as_in_python() {
    // x = 3, y = 2
    for (text, wanted) in [
        ("1+2*x", 7.0_f64),
        ("(1+2)*x", 9.0),
        ("-x^y", -9.0),
        ("(-x)^y", 9.0),
        ("-x**y", -9.0),
        ("y^x^y", 512.0),  // 2^9
        ("(y^x)^y", 64.0), // 8²
        ("y^-x", 0.125),
        ("-y^-y", -0.25),
        ("x-y-1", 0.0),
        ("x-(y-1)", 2.0),
        ("12/x/y", 2.0),
        ("12/(x/y)", 8.0),
        ("12/x*y", 8.0),
        ("2*-x", -6.0),
        ("x - -y", 5.0),
        ("--x", 3.0),
        ("7//y", 3.0),
        ("-7//y", -4.0), // ⌊-3.5⌋
        ("7//-y", -4.0),
        ("-(7//y)", -3.0),
        ("7%x", 1.0),
        ("-7%x", 2.0),  // -7 = 3·(-3) + 2
        ("7%-x", -2.0), // 7 = -3·(-3) - 2
        ("2*7%4", 2.0), // 14 % 4
        ("x > y", 1.0),
        ("x > y + 1", 0.0),
        ("(x > y) + 1", 2.0),
        ("x == 3 and y == 3", 0.0),
        ("x == 3 or y == 3", 1.0),
        ("not x == 3 or y == 2", 1.0),
        ("not (x == 3 or y == 2)", 0.0),
        ("1 or 1 and 0", 1.0),
        ("(1 or 1) and 0", 0.0),
        ("not 0 and not 0", 1.0),
        ("x and -y", 1.0),
        ("(x != 3) <= (y >= 2)", 1.0),
        (".5*x + 1.", 2.5),
        ("1e2*x + 1E-1", 300.1),
        ("if(x > y, 10, 20)", 10.0),
        ("if(x < y, 10, 20)", 20.0),
        ("min(x, y) + 10*max(x, y)", 32.0),
        ("clamp(x, 0, y) + clamp(-x, -y, 0)", 0.0),
        ("pow(x, y) - x^y", 0.0),
        ("log(e) + ln(e)*2 + log2(8) + log10(1000)", 9.0),
        ("sin(pi/2) + cos(0) + tan(0)", 2.0),
        ("abs(-x) + sign(-x) + sign(0) + sqrt(9*4)", 8.0),
        ("relu(x) + relu(-x) + floor(-1.5) + ceil(-1.5)", 0.0),
        ("sigmoid(0) + tanh(0) + exp(0)", 1.5),
        ("(-x)^3 + (-x)^-1 + x^0 + (-x)^16", 43_046_721.0 - 27.0 + 1.0 - 1.0 / 3.0), // 3¹⁶ = 43046721
    ] {
        let got: f64 = parsed(text).eval(&[3.0, 2.0]);
        assert!((got - wanted).abs() <= 1e-14 * wanted.abs().max(1.0), "{text}: {got} is not {wanted}");
    }
}

#[test]
fn what_is_printed_reads_as_the_same_formula() {
    for text in FORMULAS {
        let formula = parsed(text);
        assert_eq!(parsed(&formula.to_string()), formula, "{text} is printed as {formula}");
        let slope = formula.derivative("x").unwrap();
        let again = parsed(&slope.to_string());
        assert_eq!(again.to_string(), slope.to_string(), "the slope of {text}");
        assert_eq!(again, slope, "the slope of {text}");
    }
}

#[test]
fn no_more_parentheses_are_printed_than_needed() {
    for (text, wanted) in [
        ("((x)+((y)))", "x + y"),
        ("(x*y)+(x/y)", "x*y + x/y"),
        ("x-(y+1)", "x - (y + 1)"),
        ("(x-y)+1", "x - y + 1"),
        ("x*(y/2)", "x*(y/2)"),
        ("(-x)**2", "(-x)^2"),
        ("-(x**2)", "-x^2"),
        ("(x^y)^2", "(x^y)^2"),
        ("x^(y^2)", "x^y^2"),
        ("x^(-2)", "x^-2"),
        ("(-x)*y", "-x*y"),
        ("-(x*y)", "-(x*y)"),
        ("2-(-3)", "2 - -3"),
        ("not (x>y)", "not x > y"),
        ("(not x)>y", "(not x) > y"),
        ("(x>y)and(y>1)or(x<0)", "x > y and y > 1 or x < 0"),
        ("x and (y or x)", "x and (y or x)"),
        ("(x<y)==(y<1)", "(x < y) == (y < 1)"),
        ("log(x)+pow(x,y)", "ln(x) + x^y"),
        ("(x//y)%2", "x//y%2"),
        ("0.1*x+1e-9*y+1e20", "0.1*x + 1e-9*y + 1e20"),
        ("pi*x-e", "pi*x - e"),
        ("1.0*x", "1*x"),
    ] {
        assert_eq!(parsed(text).to_string(), wanted, "{text}");
    }
}

#[test]
fn values_stay_finite_where_the_maths_is() {
    let text =
        "sigmoid(x) + softplus(x) + tanh(x) + relu(x) + sign(x) + abs(x) + min(x, 1) + max(x, 1) + clamp(x, -1, 1) + x^3 + x//7 + x%7";
    // 1 + 1000 + 1 + 1000 + 1 + 1000 + 1 + 1000 + 1 + 1e9 + 142 + 6, and at the other end
    // 0 + 0 - 1 + 0 - 1 + 1000 - 1000 + 1 - 1 - 1e9 - 143 + 1; softplus(0) = ln 2
    for (x, wanted) in
        [(1e3, 1e9 + 4153.0), (-1e3, -1e9 - 144.0), (0.0, 1.5 + std::f64::consts::LN_2), (-0.0, 1.5 + std::f64::consts::LN_2)]
    {
        for variable in ["x", "y"] {
            assert!(parsed(text).derivative(variable).unwrap().eval(&[x as f32, 0.0]).is_finite(), "the slope at {x}");
        }
        let (wide, narrow) = (parsed(text).eval(&[x, 0.0]), parsed(text).eval(&[x as f32, 0.0]));
        assert!((wide - wanted).abs() < 1e-9 * wanted.abs(), "{wide} is not {wanted}");
        assert!((f64::from(narrow) - wanted).abs() < 1e-6 * wanted.abs(), "{narrow} is not {wanted}");
    }
    // ln(1 + x) is x where x is small: exp(-20) = 2.0611536e-9
    assert!((parsed("softplus(x)").eval(&[-20.0f32, 0.0]) - 2.061_153_6e-9).abs() < 1e-15);
    assert_eq!(parsed("exp(x)").eval(&[-1e3f32, 0.0]), 0.0);
    // as on a device, where tanh of more is no number on some
    assert_eq!(parsed("tanh(x)").eval(&[1e3, 0.0]), 15f64.tanh());
    // what is not a number stays so, for the trainer to find it
    for text in ["sign(x)", "relu(x)", "min(x, 1)", "max(x, 1)", "clamp(x, 0, 1)", "abs(x)", "tanh(x)", "sigmoid(x)", "softplus(x)", "x^2"]
    {
        assert!(parsed(text).eval(&[f64::NAN, 0.0]).is_nan(), "{text}");
    }
}

#[test]
fn floor_division_is_right_where_the_quotient_is_rounded() {
    // just below a multiple of y the quotient is rounded up to a whole number; yet 0 <= x%y <= y for positive y, and so on
    let (quotient, rest) = (parsed("x//y"), parsed("x%y"));
    let mut rng = Rng::new(11, Purpose::Synthetic, 0);
    for _ in 0..10_000 {
        let y = (0.01 + rng.unit()) as f32 * if rng.below(2) == 0 { 1.0 } else { -1.0 };
        let x = y * (1 + rng.below(1000)) as f32;
        let x = if rng.below(2) == 0 { x } else { f32::from_bits(x.to_bits() - 1) };
        let (q, r) = (quotient.eval(&[x, y]), rest.eval(&[x, y]));
        assert_eq!(q, q.floor());
        assert!(r == 0.0 || r.signum() == y.signum() && r.abs() <= y.abs() * (1.0 + 1e-4), "{x} = {y}·{q} + {r}");
    }
}

#[test]
fn constants_are_as_precise_as_the_type() {
    assert_eq!(parsed("0.1*0.5^(x//10)").eval(&[29.0, 0.0]), 0.025);
    assert_eq!(parsed("1/3").eval(&[0.0, 0.0]), 1.0 / 3.0);
    assert_eq!(parsed("1/3").eval(&[0.0f32, 0.0]), 1.0f32 / 3.0);
}

#[test]
fn messages_say_where_what_and_what_to_do() {
    let long = "x + ".repeat(251);
    let deep = "(".repeat(65) + "x";
    let functions = "abs, sign, exp, ln, log, log2, log10, sqrt, sin, cos, tan, tanh, sigmoid, softplus, relu, erf, floor, ceil, min, max, pow, clamp, if";
    for (text, column, wanted) in [
        ("", 1, "the formula is empty: write one of x, y"),
        ("  ", 1, "the formula is empty: write one of x, y"),
        ("x +", 4, "the formula ends where a number, a name or ( must follow"),
        ("x * * y", 5, "a number, a name or ( must stand here, not `*`"),
        ("x + )", 5, "a number, a name or ( must stand here, not `)`"),
        ("x or and y", 6, "a number, a name or ( must stand here, not `and`"),
        ("2x", 2, "an operator must stand before `x`; a product is written with *"),
        ("x 2.50", 3, "an operator must stand before `2.5`; a product is written with *"),
        ("x (y)", 1, "`x` is not a function: for a product write x*(…)"),
        ("1 + pi(2)", 5, "`pi` is not a function: for a product write pi*(…)"),
        ("(x + y", 1, "this ( is never closed: add the ) that belongs to it"),
        ("exp(x", 4, "this ( is never closed: add the ) that belongs to it"),
        ("(x y)", 4, "an operator must stand before `y`; a product is written with *"),
        ("x + y)", 6, "this ) closes nothing: take it away, or open a ( before it"),
        ("1,5*x", 2, "a comma stands between the arguments of a function only; decimals have a point"),
        ("(1,5)*x", 3, "a comma stands between the arguments of a function only; decimals have a point"),
        ("0 < x < 1", 7, "comparisons can't be chained: write a < b and b < c"),
        ("x + not y", 5, "put this `not` and what belongs to it in parentheses: (not x)"),
        ("x + sigmiod(y)", 5, &format!("unknown function `sigmiod`; did you mean `sigmoid`? (functions: {functions})")),
        ("Exp(x)", 1, &format!("unknown function `Exp`; did you mean `exp`? (functions: {functions})")),
        ("frobnicate(x)", 1, &format!("unknown function `frobnicate` (functions: {functions})")),
        ("2*X", 3, "unknown name `X`; did you mean `x`? (names: x, y, pi, e)"),
        ("2*epoch", 3, "unknown name `epoch` (names: x, y, pi, e)"),
        ("2*tanh", 3, "`tanh` is a function: write tanh(x)"),
        ("max(x)", 1, "`max` was given 1 argument: write max(a, b)"),
        ("max(x, y, 1)", 1, "`max` was given 3 arguments: write max(a, b), or one in the other: max(a, max(b, c))"),
        ("exp()", 1, "`exp` was given no arguments: write exp(x)"),
        ("if(x, y)", 1, "`if` was given 2 arguments: write if(condition, a, b)"),
        ("clamp(x, y)", 1, "`clamp` was given 2 arguments: write clamp(x, low, high)"),
        ("x = y", 3, "`=` has no meaning here: compare with =="),
        ("x && y", 3, "`&` has no meaning here: write and"),
        ("|x|", 1, "`|` has no meaning here: write or between two conditions, abs(x) for |x|"),
        ("x ? y : 1", 3, "`?` has no meaning here: write if(condition, a, b)"),
        ("np.exp(x)", 3, "`.` has no meaning here: a number has digits before or after its point, and functions have no prefix"),
        ("ü + x²", 1, "`ü` has no meaning here: a formula is made of numbers, names, ( ) , and the signs + - * / // % ^ < <= > >= == !="),
        ("y + x²", 6, "`²` has no meaning here: write ^2"),
        ("x*1e39", 3, "1e39 is too large: devices compute in 32 bits, up to 3.4e38"),
        ("x*1e-39", 3, "1e-39 is too small: devices compute in 32 bits, from 1.2e-38"),
        ("x + 1e30*1e30", 9, "this is 1.0e60: devices compute in 32 bits, up to 3.4e38"),
        ("x + ln(0)", 5, "this is infinite: there is a division by 0, a logarithm of 0, or an overflow"),
        ("x + 1/0", 6, "this is infinite: there is a division by 0, a logarithm of 0, or an overflow"),
        ("x/(1 - 1)", 2, "this divides by 0"),
        ("x%0", 2, "this divides by 0"),
        ("x/(1e-30*1e-30)", 2, "this divides by 0"), // 1e-60 is 0 in 32 bits
        ("x*sqrt(-1)", 3, "this has no value: its arguments are outside of what the operation is defined for"),
        (&long, 1001, "the formula is longer than 1000 characters: shorten it"),
        (&deep, 66, "the formula is nested more than 64 deep: take it apart, or leave out parentheses"),
        (&"x+".repeat(200).replace("x+x", "x+y"), 401, "the formula ends where a number, a name or ( must follow"),
        (&("x+".repeat(200) + "x"), 1, "the formula has 201 operations one within the other, 150 are possible: shorten it"),
    ] {
        let fault = Expr::parse(text, XY).expect_err(text);
        assert_eq!((fault.column, fault.message.as_str()), (column, wanted), "{text}");
    }
    let fault = Expr::parse("x +", XY).expect_err("no operand");
    assert_eq!(fault.to_string(), "column 4: the formula ends where a number, a name or ( must follow");
}

#[test]
fn the_deepest_and_longest_formulas_are_read_derived_and_printed() {
    let nested = |function: &str| format!("{function}(").repeat(64) + "x" + &")".repeat(64);
    let power = "x^".repeat(64) + "x";
    let signs = "-".repeat(64) + "x";
    let sum = "x+".repeat(149) + "x";
    for text in
        [nested(""), nested("sin"), nested("abs"), nested("y*x+"), nested("1-sin"), power, signs, sum.clone(), sum.replace("x+", "x-")]
    {
        let formula = parsed(&text);
        assert_eq!(parsed(&formula.to_string()), formula);
        // a slope may be refused for its size, never by a crash
        if let Ok(slope) = formula.derivative("x") {
            let _finite_or_not = slope.eval(&[0.5, 0.5]);
            assert!(slope.wgsl(Width::One).len() < 100_000);
        }
    }
    assert_eq!(parsed(&sum).eval(&[2.0, 0.0]), 300.0);
    assert!(Expr::parse(&("-".repeat(65) + "x"), XY).is_err());
    assert!(Expr::parse(&("x^".repeat(65) + "x"), XY).is_err());
    assert!(Expr::parse(&"(".repeat(1000), XY).is_err());
}

#[test]
fn no_input_panics() {
    let pieces = [
        "x", "y", "1", "0", "2.5", "1e9", ".", "+", "-", "*", "/", "//", "%", "^", "**", "(", ")", "(", ")", ",", "<", ">=", "==", "!=",
        "and", "or", "not", " ", " ", "abs(", "exp(", "ln(", "if(", "min(", "clamp(", "sigmoid(", "pi", "e", "é", "\u{0}", "=", "_",
        "not(",
    ];
    let mut rng = Rng::new(5, Purpose::Synthetic, 0);
    let mut good = 0;
    for _ in 0..50_000 {
        let text: String = (0..1 + rng.below(12)).map(|_| pieces[rng.below(pieces.len() as u64) as usize]).collect();
        check(&text, &mut good);
    }
    // and bytes without any sense
    for _ in 0..20_000 {
        let text: String = (0..rng.below(30)).filter_map(|_| char::from_u32(rng.below(0x500) as u32)).collect();
        check(&text, &mut good);
    }
    assert!(good > 1000, "only {good} of the formulas could be read: the test tests little");
}

fn check(text: &str, good: &mut usize) {
    match Expr::parse(text, XY) {
        Ok(formula) => {
            *good += 1;
            assert_eq!(Expr::parse(&formula.to_string(), XY).as_ref(), Ok(&formula), "{text} is printed as {formula}");
            let _any = (formula.eval(&[0.5f32, -0.0]), formula.derivative("x").map(|slope| slope.eval(&[0.5, -0.0])), formula.kinks());
        }
        Err(fault) => assert!((1..=text.chars().count() + 1).contains(&fault.column), "{text}: {fault}"),
    }
}
