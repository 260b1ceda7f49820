//! Formulas that a user writes: `abs(p-t)*(1+9*(t>0))`, `z*sigmoid(1.702*z)`, `0.1*0.5^(epoch//10)`. Parsed once, derived by the rules of
//! calculus, evaluated on the CPU, and written as WGSL.
//!
//! Why not a crate: `exmex` has symbolic derivatives, but of a closed table of operators without comparisons, `min`, `max` and `if`, and hands
//! out its trees as text only. `evalexpr` and `fasteval` do not derive. All evaluate in one type, and none knows WGSL, whose every
//! operation needs the same meaning on both sides.

mod derive;
mod display;
mod node;
mod parse;
mod program;
mod simplify;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_slope;
#[cfg(test)]
mod tests_wgsl;
mod token;
mod wgsl;

use crate::kernel::Real;
pub(crate) use node::Node;
#[cfg(feature = "export")]
pub(crate) use node::Op;
use program::Program;
use std::fmt;

/// How long a formula may be.
const MAX_CHARACTERS: usize = 1000;
/// How deep parentheses, functions, powers and signs may stand within each other.
const MAX_NESTING: usize = 64;
/// How many operations may stand within each other, those of a sum of many terms among them; of the WGSL the same with parentheses.
const MAX_HEIGHT: usize = 150;
/// How many numbers, names and operations a derivative may have.
const MAX_SIZE: usize = 4000;

/// A formula of some variables.
///
/// | | |
/// | --- | --- |
/// | numbers | `1`, `1.5`, `.5`, `1e-3`; `pi`, `e` |
/// | from loose to tight | `or`; `and`; `not`; `< <= > >= == !=`; `+ -`; `* / // %`; `-x`; `^` (or `**`) |
/// | functions | `abs sign exp ln log log2 log10 sqrt sin cos tan tanh sigmoid softplus relu erf floor ceil`, `min(a, b)`, `max(a, b)`, `pow(a, b)`, `clamp(x, low, high)`, `if(condition, a, b)` |
///
/// As in Python, `-x^2` is `-(x^2)`, `2^3^2` is `2^(3^2)`, `//` rounds down, and `%` has the sign of the divisor. `log` is `ln`. Comparisons are 1 or
/// 0, and are not chained; a number is true when it is not 0. `sign(0)` is 0. `a^b` with a whole constant b up to ±16 is a product, so that a
/// may be negative; `0^0` is 1. `min` and `max` give the first of two equal arguments.
///
/// ```
/// use gradus::expr::Expr;
/// let loss = Expr::parse("abs(p-t)*(1+9*(t>0))", &["p", "t"]).unwrap();
/// assert_eq!(loss.eval(&[0.5, 1.0]), 5.0);
/// assert_eq!(loss.derivative("p").unwrap().to_string(), "sign(p - t)*(1 + 9*(t > 0))");
/// ```
#[derive(Debug, Clone)]
pub struct Expr {
    variables: &'static [&'static str],
    tree: Node,
    folded: Node,
    program: Program,
}

/// How many numbers a variable stands for in WGSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One: `f32`.
    One,
    /// Four: `vec4<f32>`.
    Four,
}

/// What is wrong with a formula, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl ExprError {
    fn new(column: usize, message: impl Into<String>) -> Self {
        ExprError { column, message: message.into() }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for ExprError {}

impl Expr {
    /// Reads a formula of these variables; their order is that of the values in [`Expr::eval`]. Errors say where, what is wrong, and what was
    /// meant: a name that is not known, a constant part that is infinite or beyond 32 bits, more than 1000 characters, too deep nesting.
    pub fn parse(text: &str, variables: &'static [&'static str]) -> Result<Self, ExprError> {
        Expr::of(parse::parse(text, variables)?, variables)
            .map_err(|message| ExprError::new(1, format!("the formula {message}: shorten it")))
    }

    /// A tree, checked against the limits and compiled.
    fn of(tree: Node, variables: &'static [&'static str]) -> Result<Self, String> {
        let height = tree.height();
        if height > MAX_HEIGHT {
            return Err(format!("has {height} operations one within the other, {MAX_HEIGHT} are possible"));
        }
        let folded = simplify::fold(&tree);
        // compilers of shaders refuse what is too deep
        let deepest = wgsl::depth(&wgsl::text(&folded, variables, Width::Four));
        if deepest > MAX_HEIGHT {
            return Err(format!("has {deepest} parentheses one within the other in WGSL, {MAX_HEIGHT} are possible"));
        }
        let size = tree.size();
        let program = Program::of(&folded).filter(|_| size <= MAX_SIZE);
        let program = program.ok_or_else(|| format!("has {size} numbers, names and operations, {MAX_SIZE} are possible"))?;
        Ok(Expr { variables, tree, folded, program })
    }

    /// The derivative with respect to a variable, simplified.
    ///
    /// Where there is none it is 0 for `sign`, `floor`, `ceil`, `//` and comparisons, and at a kink: 0 for `abs` and `relu`, that of the second argument
    /// for `min(a, b)` and `max(a, b)` (so that `max(z, 0)` is `relu(z)`; PyTorch takes half of each), that of x for `clamp(x, low, high)` at its bounds (as
    /// PyTorch does). `if(c, a, b)` is `if(c, a', b')`.
    ///
    /// Errors when the variable is unknown, and when the derivative is too large or has a constant that no device can hold.
    pub fn derivative(&self, variable: &str) -> Result<Self, ExprError> {
        let fault = |what: String| ExprError::new(1, format!("the derivative with respect to {variable} {what}"));
        let Some(i) = self.place(variable) else {
            return Err(ExprError::new(1, format!("there is no variable {variable}: the variables are {}", self.variables.join(", "))));
        };
        let Some(tree) = derive::derive(&self.folded, i, MAX_SIZE) else {
            return Err(fault(format!("has more than {MAX_SIZE} numbers, names and operations: shorten the formula")));
        };
        if let Some(what) = simplify::first_fault(&simplify::fold(&tree)) {
            return Err(fault(format!("has a constant part that is of no use: {what}")));
        }
        Expr::of(tree, self.variables).map_err(|what| fault(format!("{what}: shorten the formula")))
    }

    /// The value; `values` are those of the variables, in their order. Constants are as precise as `T`.
    ///
    /// # Panics
    /// When there are fewer values than variables that the formula uses.
    pub fn eval<T: Real>(&self, values: &[T]) -> T {
        self.program.run(values)
    }

    /// The formula as a WGSL expression of the variables' names, each of which is a number or four of them. It calls [`wgsl_functions`]. A formula
    /// without variables is one constant of that type.
    pub fn wgsl(&self, width: Width) -> String {
        wgsl::text(&self.folded, self.variables, width)
    }

    /// The formula as a tree, its constant parts worked out; for other languages than WGSL.
    #[cfg(feature = "export")]
    pub(crate) fn folded(&self) -> &Node {
        &self.folded
    }

    /// Whether the variable occurs.
    pub fn uses(&self, variable: &str) -> bool {
        self.place(variable).is_some_and(|i| self.tree.uses(i))
    }

    /// Expressions that are 0 where this one may have a kink or a step: finite differences are wrong across those places.
    pub fn kinks(&self) -> Vec<Expr> {
        let (mut trees, mut kinks) = (Vec::new(), Vec::new());
        derive::kinks(&self.folded, &mut trees);
        // parts of what is within the limits, but for an operation or two: those that are not within them are left out
        for kink in trees.into_iter().filter_map(|tree| Expr::of(tree, self.variables).ok()) {
            if self.variables.iter().any(|name| kink.uses(name)) && !kinks.contains(&kink) {
                kinks.push(kink);
            }
        }
        kinks
    }

    fn place(&self, variable: &str) -> Option<usize> {
        self.variables.iter().position(|name| *name == variable)
    }
}

/// The same formula of the same variables.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.variables == other.variables && self.tree == other.tree
    }
}

/// Text that reads as the same formula again.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display::Text(&self.tree, self.variables).fmt(f)
    }
}

/// The WGSL functions that the expressions of [`Expr::wgsl`] call, for variables of that width: once a module. Their names begin with `expr_`.
pub fn wgsl_functions(width: Width) -> String {
    wgsl::functions(width)
}
