//! Derivatives: against finite differences, and how short they are.

use super::tests::FORMULAS;
use super::*;
use crate::rng::{Purpose, Rng};

const XY: &[&str] = &["x", "y"];

/// Every function and operator alone, with the range of both variables.
const ALONE: &[(&str, f64, f64)] = &[
    ("-x", -3.0, 3.0),
    ("x + y", -3.0, 3.0),
    ("x - y", -3.0, 3.0),
    ("x*y", -3.0, 3.0),
    ("x/y", 0.5, 3.0),
    ("y/x", -3.0, -0.5),
    ("x//y", 0.5, 3.0),
    ("x%y", 0.5, 3.0),
    ("y%x", -3.0, -0.5),
    ("x^y", 0.2, 3.0),
    ("y^x", 0.2, 3.0),
    ("x^2", -3.0, 3.0),
    ("x^-3", -3.0, -0.5),
    ("x^16", -1.5, 1.5),
    ("x^17", 0.5, 1.5),
    ("x^0.5", 0.2, 3.0),
    ("2^x", -3.0, 3.0),
    ("x < y", -3.0, 3.0),
    ("x <= y", -3.0, 3.0),
    ("x > y", -3.0, 3.0),
    ("x >= y", -3.0, 3.0),
    ("x == y", -3.0, 3.0),
    ("x != y", -3.0, 3.0),
    ("x and y", -3.0, 3.0),
    ("x or y", -3.0, 3.0),
    ("not x", -3.0, 3.0),
    ("abs(x)", -3.0, 3.0),
    ("sign(x)", -3.0, 3.0),
    ("exp(x)", -3.0, 3.0),
    ("ln(x)", 0.2, 3.0),
    ("log2(x)", 0.2, 3.0),
    ("log10(x)", 0.2, 3.0),
    ("sqrt(x)", 0.2, 3.0),
    ("sin(x)", -3.0, 3.0),
    ("cos(x)", -3.0, 3.0),
    ("tan(x)", -1.2, 1.2),
    ("tanh(x)", -3.0, 3.0),
    ("sigmoid(x)", -3.0, 3.0),
    ("softplus(x)", -3.0, 3.0),
    ("relu(x)", -3.0, 3.0),
    ("floor(x)", -3.0, 3.0),
    ("ceil(x)", -3.0, 3.0),
    ("min(x, y)", -3.0, 3.0),
    ("max(y, x)", -3.0, 3.0),
    ("clamp(x, -1, 1)", -3.0, 3.0),
    ("clamp(y, x - 1, x*x)", -3.0, 3.0),
    ("if(x, y*x, x^2)", -3.0, 3.0),
    ("if(y > 1, x^3, -x)", -3.0, 3.0),
];

#[test]
fn derivatives_agree_with_finite_differences() {
    // the error of the central difference is about h²·f'''/6 + 2⁻⁵²·f/h: 1e-10·f''' + 1e-11·f
    let step = 1e-5;
    // bases and divisors stay away from 0
    let compound =
        FORMULAS.iter().map(|text| (*text, 0.3, 1.9)).chain(FORMULAS.iter().filter(|text| signed(text)).map(|text| (*text, -1.9, 1.9)));
    for (number, (text, low, high)) in ALONE.iter().copied().chain(compound).enumerate() {
        let formula = Expr::parse(text, XY).unwrap();
        let (kinks, mut rng, mut compared) = (formula.kinks(), Rng::new(3, Purpose::Synthetic, number as u64), 0);
        for (i, variable) in XY.iter().enumerate() {
            let slope = formula.derivative(variable).unwrap();
            for _ in 0..60 {
                let point = [low + (high - low) * rng.unit(), low + (high - low) * rng.unit()];
                let moved = |by: f64| {
                    let mut moved = point;
                    moved[i] += by;
                    moved
                };
                let (back, forth) = (moved(-step), moved(step));
                if kinks.iter().any(|kink| kink.eval(&back) * kink.eval(&forth) <= 0.0) {
                    continue;
                }
                let (wanted, got) = ((formula.eval(&forth) - formula.eval(&back)) / (2.0 * step), slope.eval(&point));
                let size = 1.0 + wanted.abs() + formula.eval(&point).abs();
                assert!(
                    (got - wanted).abs() <= 1e-6 * size,
                    "d/d{variable} of {text} at {point:?} is {wanted}, not {got}, which is {slope}"
                );
                compared += 1;
            }
        }
        assert!(compared > 100, "{text}: only {compared} points were away from kinks");
    }
}

/// Whether the formula has a value where x and y are negative.
fn signed(text: &str) -> bool {
    !["(2*y)^2", "x^-2", "/y", "2^x", "y^2"].iter().any(|part| text.contains(part))
}

#[test]
fn derivatives_are_short() {
    for (text, wanted) in [
        ("abs(x - y)*(1 + 9*(y > 0))", "sign(x - y)*(1 + 9*(y > 0))"),
        ("(x - y)^2", "2*(x - y)"),
        ("0.5*(x - y)^2", "x - y"),
        ("3", "0"),
        ("y", "0"),
        ("x", "1"),
        ("--x", "1"),
        ("x*y", "y"),
        ("y*x*2", "2*y"),
        ("2*x + 3*x", "5"),
        ("x/2", "0.5"),
        ("2*x/4", "0.5"),
        ("y/x", "-(y/x^2)"),
        ("x^1 + x^0", "1"),
        ("x^3", "3*x^2"),
        ("x*x", "2*x"),
        ("-(y - x)", "1"),
        ("max(x, 0)", "x > 0"),
        ("max(0, x)", "0 <= x"),
        ("relu(x)", "x > 0"),
        ("relu(-x)", "if(-x > 0, -1, 0)"),
        ("clamp(x, 0, 1)", "x >= 0 and x <= 1"),
        ("min(abs(x), y)", "if(abs(x) < y, sign(x), 0)"),
        ("if(x > 0, ln(x), y)", "if(x > 0, 1/x, 0)"),
        ("if(x > 0, y, 2)", "0"),
        ("floor(x) + sign(x) + (x > y) + x//2", "0"),
        ("x%2", "1"),
        ("exp(-x)", "-exp(-x)"),
        ("exp(2*x)", "2*exp(2*x)"),
        ("sin(x) + cos(x)", "cos(x) - sin(x)"),
        ("tanh(x)", "1 - tanh(x)^2"),
        ("sigmoid(x)", "sigmoid(x)*(1 - sigmoid(x))"),
        ("softplus(2*x)", "2*sigmoid(2*x)"),
        ("sqrt(x)", "1/(2*sqrt(x))"),
        ("ln(x)", "1/x"),
        ("x^y", "y*x^(y - 1)"),
        ("y^x", "y^x*ln(y)"),
        ("x^x", "x^x*(ln(x) + x/x)"),
        ("x*sigmoid(x)", "sigmoid(x) + x*sigmoid(x)*(1 - sigmoid(x))"),
    ] {
        assert_eq!(Expr::parse(text, XY).unwrap().derivative("x").unwrap().to_string(), wanted, "{text}");
    }
}

#[test]
fn at_a_kink_the_documented_side_is_taken() {
    for (text, at, wanted) in [
        ("abs(x)", 0.0, 0.0),
        ("relu(x)", 0.0, 0.0),
        ("max(x, 0)", 0.0, 0.0),
        ("max(0, x)", 0.0, 1.0),
        ("min(x, 0)", 0.0, 0.0),
        ("min(2*x, 3*x)", 0.0, 3.0),
        ("clamp(x, 0, 1)", 0.0, 1.0),
        ("clamp(x, 0, 1)", 1.0, 1.0),
        ("clamp(3*x, 0, 2*x)", 0.0, 3.0),
        ("if(x > 0, ln(x), x)", 0.0, 1.0),
    ] {
        assert_eq!(Expr::parse(text, XY).unwrap().derivative("x").unwrap().eval(&[at, 0.0]), wanted, "{text} at {at}");
    }
}

#[test]
fn a_derivative_that_cannot_be_had_says_why() {
    let refused = |text: &str, variable: &str| Expr::parse(text, XY).unwrap().derivative(variable).expect_err(text).message;
    assert_eq!(refused("x", "z"), "there is no variable z: the variables are x, y");
    assert_eq!(
        refused("1e30*(x*1e30)", "x"),
        "the derivative with respect to x has a constant part that is of no use: this is 1.0e60: devices compute in 32 bits, up to 3.4e38"
    );
    assert_eq!(
        refused("0^x", "x"),
        "the derivative with respect to x has a constant part that is of no use: this is infinite: there is a division by 0, a logarithm of 0, or an \
         overflow"
    );
    let product = (0..100).map(|i| format!("(x+{i})")).collect::<Vec<_>>().join("*");
    assert_eq!(
        refused(&product, "x"),
        "the derivative with respect to x has more than 4000 numbers, names and operations: shorten the formula"
    );
}

#[test]
fn kinks_are_where_formulas_break() {
    for (text, wanted) in [
        ("abs(x - y)*(1 + 9*(y > 1))", vec!["x - y", "y - 1"]),
        ("clamp(x, -1, 2)", vec!["x + 1", "x - 2"]),
        ("if(x*y, 1, 2)", vec!["x*y"]),
        ("not x > 0", vec!["x"]),
        ("floor(x) + x//y", vec!["sin(pi*x)", "sin(pi*(x/y))"]),
        ("exp(x)*y", vec![]),
        ("abs(x) + sign(x) + min(x, x) + floor(2.5)", vec!["x"]),
    ] {
        let kinks: Vec<String> = Expr::parse(text, XY).unwrap().kinks().iter().map(Expr::to_string).collect();
        assert_eq!(kinks, wanted, "{text}");
    }
}

#[test]
fn a_formula_knows_what_it_uses() {
    let formula = Expr::parse("2*sin(x)", XY).unwrap();
    assert!(formula.uses("x") && !formula.uses("y") && !formula.uses("z"));
}
