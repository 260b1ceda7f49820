//! The tree of an expression, and what each operation means on the CPU.

use crate::kernel::Real;

/// An expression as a tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    /// A variable, by its place among the values.
    Value(usize),
    Call(Op, Vec<Node>),
}

/// Everything that can be done with numbers. What is true is 1, what is false 0; a number is true when it is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
    Not,
    Abs,
    Sign,
    Exp,
    Ln,
    Log2,
    Log10,
    Sqrt,
    Sin,
    Cos,
    Tan,
    Tanh,
    Sigmoid,
    Softplus,
    Relu,
    Erf,
    Floor,
    Ceil,
    Min,
    Max,
    Clamp,
    If,
}

/// The functions by name, with how many arguments each takes.
pub(super) const FUNCTIONS: &[(&str, Op, usize)] = &[
    ("abs", Op::Abs, 1),
    ("sign", Op::Sign, 1),
    ("exp", Op::Exp, 1),
    ("ln", Op::Ln, 1),
    ("log", Op::Ln, 1),
    ("log2", Op::Log2, 1),
    ("log10", Op::Log10, 1),
    ("sqrt", Op::Sqrt, 1),
    ("sin", Op::Sin, 1),
    ("cos", Op::Cos, 1),
    ("tan", Op::Tan, 1),
    ("tanh", Op::Tanh, 1),
    ("sigmoid", Op::Sigmoid, 1),
    ("softplus", Op::Softplus, 1),
    ("relu", Op::Relu, 1),
    ("erf", Op::Erf, 1),
    ("floor", Op::Floor, 1),
    ("ceil", Op::Ceil, 1),
    ("min", Op::Min, 2),
    ("max", Op::Max, 2),
    ("pow", Op::Power, 2),
    ("clamp", Op::Clamp, 3),
    ("if", Op::If, 3),
];

/// The constants by name.
pub(super) const CONSTANTS: &[(&str, f64)] = &[("pi", std::f64::consts::PI), ("e", std::f64::consts::E)];

/// Whole powers up to this are products, on both sides: WGSL's `pow` of a negative number has no value.
pub(super) const LARGEST_PRODUCT: f64 = 16.0;

impl Node {
    /// How many numbers, names and operations it has.
    pub(super) fn size(&self) -> usize {
        1 + self.arguments().iter().map(Node::size).sum::<usize>()
    }

    /// How many operations stand one within the other.
    pub(super) fn height(&self) -> usize {
        1 + self.arguments().iter().map(Node::height).max().unwrap_or(0)
    }

    /// Whether the variable occurs.
    pub(super) fn uses(&self, variable: usize) -> bool {
        *self == Node::Value(variable) || self.arguments().iter().any(|node| node.uses(variable))
    }

    /// Whether it is 0 or 1 whatever the variables are.
    pub(super) fn is_truth(&self) -> bool {
        match self {
            Node::Number(x) => *x == 0.0 || *x == 1.0,
            Node::Value(_) => false,
            Node::Call(op, _) => op.is_truth(),
        }
    }

    pub(super) fn arguments(&self) -> &[Node] {
        match self {
            Node::Call(_, arguments) => arguments,
            _ => &[],
        }
    }
}

impl Op {
    /// Whether the result is 0 or 1.
    pub(super) fn is_truth(self) -> bool {
        use Op::*;
        matches!(self, Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual | And | Or | Not)
    }

    /// The result for these arguments; an operation of fewer than three leaves the others alone.
    #[inline]
    pub(super) fn of<T: Real>(self, a: T, b: T, c: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        let truth = |condition: bool| if condition { one } else { zero };
        match self {
            Op::Negate => -a,
            Op::Add => a + b,
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            Op::Divide => a / b,
            Op::FloorDivide => floor_divide(a, b),
            Op::Remainder => a - b * floor_divide(a, b),
            Op::Power => power(a, b),
            Op::Less => truth(a < b),
            Op::LessEqual => truth(a <= b),
            Op::Greater => truth(a > b),
            Op::GreaterEqual => truth(a >= b),
            Op::Equal => truth(a == b),
            Op::NotEqual => truth(a != b),
            Op::And => truth(a != zero && b != zero),
            Op::Or => truth(a != zero || b != zero),
            Op::Not => truth(a == zero),
            Op::Abs => a.abs(),
            // written so that a NaN stays one, as are relu, min and max of a NaN in the first place
            Op::Sign if a > zero => one,
            Op::Sign if a < zero => -one,
            Op::Sign => a,
            Op::Exp => a.exp(),
            Op::Ln => a.ln(),
            Op::Log2 => a.log2(),
            Op::Log10 => a.log10(),
            Op::Sqrt => a.sqrt(),
            Op::Sin => a.sin(),
            Op::Cos => a.cos(),
            Op::Tan => a.tan(),
            Op::Tanh => clamp(a, T::of(-15.0), T::of(15.0)).tanh(),
            Op::Sigmoid => {
                let e = (-a.abs()).exp();
                (if a >= zero { one } else { e }) / (one + e)
            }
            Op::Softplus => (if a < zero { zero } else { a }) + (-a.abs()).exp().ln_1p(),
            Op::Relu => {
                if a < zero {
                    zero
                } else {
                    a
                }
            }
            Op::Erf => a.erf(),
            Op::Floor => a.floor(),
            Op::Ceil => a.ceil(),
            Op::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Op::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
            Op::Clamp => clamp(a, b, c),
            Op::If => {
                if a != zero {
                    b
                } else {
                    c
                }
            }
        }
    }
}

/// The upper bound has the last word where the two cross.
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `floor(a/b)`, put right where the quotient was rounded up to a whole number. (A device may round it down from one, too; here it is exact then.)
fn floor_divide<T: Real>(a: T, b: T) -> T {
    let quotient = (a / b).floor();
    let rest = a - b * quotient;
    let past = if b < T::zero() { rest > T::zero() } else { rest < T::zero() };
    if past { quotient - T::one() } else { quotient }
}

fn power<T: Real>(a: T, b: T) -> T {
    let whole = b.to_i32().filter(|&n| T::from(n) == Some(b) && f64::from(n).abs() <= LARGEST_PRODUCT);
    match whole {
        None => a.powf(b),
        Some(0) => T::one(),
        Some(n) => {
            let n = n.unsigned_abs();
            let mut product = a;
            // from the second highest bit down: a⁶ = (a·a²)²
            for bit in (0..n.ilog2()).rev() {
                product *= product;
                if n >> bit & 1 == 1 {
                    product *= a;
                }
            }
            if b < T::zero() { T::one() / product } else { product }
        }
    }
}
