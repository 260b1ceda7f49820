//! An expression as WGSL, and the functions that it calls there.

use super::Width;
use super::node::{LARGEST_PRODUCT, Node, Op};
use std::fmt::Write as _;

impl Width {
    /// The type in WGSL.
    fn kind(self) -> &'static str {
        match self {
            Width::One => "f32",
            Width::Four => "vec4<f32>",
        }
    }
}

/// What an operation is in WGSL.
enum Form {
    /// A sign between two operands, with its level: 1 or 2.
    Sign(&'static str, u8),
    Function(&'static str),
}

fn form(op: Op) -> Form {
    Form::Function(match op {
        Op::Add => return Form::Sign(" + ", 1),
        Op::Subtract => return Form::Sign(" - ", 1),
        Op::Multiply => return Form::Sign(" * ", 2),
        Op::Divide => return Form::Sign(" / ", 2),
        Op::Negate => "-",
        Op::FloorDivide => "expr_floor_divide",
        Op::Remainder => "expr_remainder",
        Op::Power => "expr_power",
        Op::Less => "expr_less",
        Op::LessEqual => "expr_less_equal",
        Op::Greater => "expr_greater",
        Op::GreaterEqual => "expr_greater_equal",
        Op::Equal => "expr_equal",
        Op::NotEqual => "expr_not_equal",
        Op::And => "expr_and",
        Op::Or => "expr_or",
        Op::Not => "expr_not",
        Op::Abs => "abs",
        Op::Sign => "expr_sign",
        Op::Exp => "exp",
        Op::Ln => "log",
        Op::Log2 => "log2",
        Op::Log10 => "expr_log10",
        Op::Sqrt => "sqrt",
        Op::Sin => "sin",
        Op::Cos => "cos",
        Op::Tan => "tan",
        Op::Tanh => "expr_tanh",
        Op::Sigmoid => "expr_sigmoid",
        Op::Softplus => "expr_softplus",
        Op::Relu => "expr_relu",
        Op::Erf => "expr_erf",
        Op::Floor => "floor",
        Op::Ceil => "ceil",
        Op::Min => "expr_min",
        Op::Max => "expr_max",
        Op::Clamp => "expr_clamp",
        Op::If => "expr_if",
    })
}

/// The WGSL of a tree. A number stands alone as an operand of a sign, and else in its type.
pub(super) fn text(node: &Node, names: &[&str], width: Width) -> String {
    let mut text = String::new();
    write(&mut text, node, names, width, false, 0);
    text
}

/// Writes a node that stands where nothing below the level `lowest` may, without parentheses.
fn write(text: &mut String, node: &Node, names: &[&str], width: Width, operand: bool, lowest: u8) {
    let (op, arguments) = match node {
        // 32-bit digits: what is too small for 32 bits was made 0
        Node::Number(x) => {
            let digits = format!("{:?}", *x as f32);
            *text += &match (operand, *x < 0.0) {
                (true, false) => digits,
                (true, true) => format!("({digits})"),
                (false, _) => format!("{}({digits})", width.kind()),
            };
            return;
        }
        Node::Value(i) => return *text += names[*i],
        Node::Call(op, arguments) => (*op, arguments.as_slice()),
    };
    match (form(op), arguments) {
        (Form::Sign(sign, level), [a, b]) => {
            *text += if level < lowest { "(" } else { "" };
            write(text, a, names, width, true, level);
            *text += sign;
            write(text, b, names, width, true, level + 1);
            *text += if level < lowest { ")" } else { "" };
        }
        // `--x` is no WGSL
        (Form::Function("-"), [a]) => {
            *text += "(-";
            write(text, a, names, width, true, 3);
            *text += ")";
        }
        (Form::Function("expr_power"), [a, Node::Number(n)]) if *n == n.trunc() && n.abs() <= LARGEST_PRODUCT => {
            *text += &match *n < 0.0 {
                true => format!("expr_inverse(expr_power_{}(", n.abs()),
                false => format!("expr_power_{n}("),
            };
            write(text, a, names, width, false, 0);
            *text += if *n < 0.0 { "))" } else { ")" };
        }
        (Form::Function(name) | Form::Sign(name, _), _) => {
            *text += name;
            for (i, argument) in arguments.iter().enumerate() {
                *text += if i == 0 { "(" } else { ", " };
                write(text, argument, names, width, false, 0);
            }
            *text += ")";
        }
    }
}

/// The functions for numbers of the type `Float`. `select` takes what is chosen last.
const FUNCTIONS: &str = "
// ---- what the users' expressions call: the twins are in src/expr/node.rs ------------------------------------------

fn expr_less(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a < b); }
fn expr_less_equal(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a <= b); }
fn expr_greater(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a > b); }
fn expr_greater_equal(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a >= b); }
fn expr_equal(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a == b); }
fn expr_not_equal(a: Float, b: Float) -> Float { return select(Float(0.0), Float(1.0), a != b); }
fn expr_and(a: Float, b: Float) -> Float { return select(Float(0.0), expr_not_equal(b, Float(0.0)), a != Float(0.0)); }
fn expr_or(a: Float, b: Float) -> Float { return select(expr_not_equal(b, Float(0.0)), Float(1.0), a != Float(0.0)); }
fn expr_not(a: Float) -> Float { return select(Float(0.0), Float(1.0), a == Float(0.0)); }
fn expr_if(condition: Float, a: Float, b: Float) -> Float { return select(b, a, condition != Float(0.0)); }

// a NaN stays one, as it does in relu and in the first argument of min and max
fn expr_sign(a: Float) -> Float { return select(select(a, Float(-1.0), a < Float(0.0)), Float(1.0), a > Float(0.0)); }
fn expr_relu(a: Float) -> Float { return select(a, Float(0.0), a < Float(0.0)); }
fn expr_min(a: Float, b: Float) -> Float { return select(a, b, b < a); }
fn expr_max(a: Float, b: Float) -> Float { return select(a, b, b > a); }
fn expr_clamp(a: Float, low: Float, high: Float) -> Float { return expr_min(expr_max(a, low), high); }

fn expr_log10(a: Float) -> Float { return 0.30102999566398120 * log2(a); }
fn expr_inverse(a: Float) -> Float { return 1.0 / a; }

// drivers return NaN for large arguments; at 15 tanh is 1
fn expr_tanh(a: Float) -> Float { return tanh(expr_clamp(a, Float(-15.0), Float(15.0))); }

// the exponential is only taken of what is not positive
fn expr_sigmoid(a: Float) -> Float {
    let e = exp(-abs(a));
    return select(e, Float(1.0), a >= Float(0.0)) / (1.0 + e);
}

// ln(1 + x) of x = exp(-|a|) is 2 artanh(x/(2 + x)); the first term left out is (1/9)^9/19 = 1e-10
fn expr_softplus(a: Float) -> Float {
    let e = exp(-abs(a));
    let s = e / (2.0 + e);
    let q = s * s;
    let tail = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q * (1.0 / 15.0 + q / 17.0)));
    return expr_relu(a) + 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * tail))));
}

// minimax polynomials below and above 0.92, as erf in functions.wgsl
fn expr_erf(x: Float) -> Float {
    let a = expr_min(abs(x), Float(4.0));
    let q = a * a;
    let near = ((((-5.96761703e-4 * q + 4.99119423e-3) * q - 2.67681349e-2) * q + 1.12819925e-1) * q - 3.76125336e-1) * q + 1.28379166e-1;
    let high = (-1.72853470e-5 * a + 3.83197126e-4) * q + (-3.88396438e-3 * a + 2.42546219e-2);
    let far = ((high * a - 1.06777877e-1) * a - 6.34846687e-1) * a - 1.28717512e-1;
    let value = select(a + a * near, 1.0 - exp(a * far - a), a > Float(0.921875));
    return select(value, -value, x < Float(0.0));
}

// put right where the quotient was rounded to the other side of a whole number
fn expr_floor_divide(a: Float, b: Float) -> Float {
    let quotient = floor(a / b);
    let rest = (a - b * quotient) * expr_sign(b);
    return quotient + select(-expr_less(rest, Float(0.0)), Float(1.0), rest >= abs(b));
}
fn expr_remainder(a: Float, b: Float) -> Float { return a - b * expr_floor_divide(a, b); }

// `pow` has no value below 0, and may have none at 0
fn expr_power(a: Float, b: Float) -> Float {
    let size = pow(abs(a), b);
    let odd = b - 2.0 * floor(0.5 * b);
    let below = select(select(pow(a, b), size, odd == Float(0.0)), -size, odd == Float(1.0));
    let inner = select(size, below, a < Float(0.0));
    let from_zero = select(inner, Float(0.0), expr_and(expr_equal(a, Float(0.0)), expr_greater(b, Float(0.0))) == Float(1.0));
    return select(from_zero, Float(1.0), b == Float(0.0));
}

fn expr_power_0(a: Float) -> Float { return Float(1.0); }
fn expr_power_1(a: Float) -> Float { return a; }
";

/// See [`super::wgsl_functions`].
pub(super) fn functions(width: Width) -> String {
    let mut text = FUNCTIONS.to_string();
    for n in 2..=LARGEST_PRODUCT as u32 {
        let half = n / 2;
        let times = if n % 2 == 1 { " * a" } else { "" };
        let _infallible = writeln!(text, "fn expr_power_{n}(a: Float) -> Float {{ let h = expr_power_{half}(a); return h * h{times}; }}");
    }
    text.replace("Float", width.kind())
}

/// How deep the parentheses of a text go.
pub(super) fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => now += 1,
            b')' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}
