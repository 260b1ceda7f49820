//! A model as a module in Rust without dependencies: columns in, probabilities or numbers out, and a test that they are right.

use super::Trained;
use super::answer::{Answer, Shares};
use super::code::{numbers, text};
use super::sample::Sample;
use super::steps::{Dense, Piece, Step, steps};
use crate::data::{Coding, Value};
use crate::error::Result;
use crate::expr::{Expr, Op};
use crate::formula::Link;
use std::fmt::Write as _;

/// The source.
pub(super) fn rust(trained: &Trained<'_>) -> Result<String> {
    let steps = steps(trained.model, trained.weights)?;
    let sample = Sample::of(trained)?;
    let answer = Answer::of(trained.preprocess, trained.loss);
    let mut module = Module { statics: String::new(), count: 0 };
    let body = module.steps(&steps, "    ", trained.model.inputs());
    let names = answer.what();
    let outputs = sample.answers.first().map_or(0, Vec::len);
    let mut out = format!(
        "//! The model `{}`, written by gradus {}: no dependencies, and a test of its own (`rustc --test`).\n//!\n\
         //! `predict` takes the columns of a row as they are in a file and gives {names}.\n\
         #![allow(clippy::all, clippy::pedantic, unused_variables, dead_code)]\n\n",
        trained.name.escape_debug(),
        env!("CARGO_PKG_VERSION"),
    );
    out += &columns(trained);
    out += &answers(&answer);
    out += &prepare(trained);
    let _ = write!(
        out,
        "/// What the model makes of a row: {names}.\npub fn predict(numbers: &[f32; {}], words: &[&str; {}]) -> [f32; {outputs}] {{\n    \
         let x = prepare(numbers, words);\n{body}{}}}\n\n",
        sample.numbers[0].len(),
        sample.words[0].len(),
        finish(&answer, outputs),
    );
    if let Answer::Class { .. } = answer {
        out += &class(&answer, outputs);
    }
    out += FUNCTIONS;
    out += &module.statics;
    out += &golden(&sample);
    Ok(out)
}

fn columns(trained: &Trained<'_>) -> String {
    let of = |wanted: fn(&Coding) -> bool| {
        let names: Vec<String> =
            trained.preprocess.features.iter().filter(|f| wanted(&f.coding)).map(|f| format!("{:?}", f.column)).collect();
        (names.len(), names.join(", "))
    };
    let (n, numbers) = of(|coding| matches!(coding, Coding::Number { .. }));
    let (m, words) = of(|coding| !matches!(coding, Coding::Number { .. }));
    format!(
        "/// The columns of numbers, in the order of `predict`; a gap is NaN.\npub static NUMBERS: [&str; {n}] = [{numbers}];\n\
         /// The columns of words, in the order of `predict`; a gap is empty.\npub static WORDS: [&str; {m}] = [{words}];\n"
    )
}

/// What is predicted, as a list.
fn answers(answer: &Answer) -> String {
    let (what, name) = match answer {
        Answer::Class { .. } => ("The classes.", "CLASSES"),
        Answer::Values { .. } => ("What is predicted.", "TARGETS"),
    };
    let names: Vec<String> = answer.names().iter().map(|name| format!("{name:?}")).collect();
    format!("/// {what}\npub static {name}: [&str; {}] = [{}];\n\n", names.len(), names.join(", "))
}

fn prepare(trained: &Trained<'_>) -> String {
    let inputs = trained.preprocess.inputs();
    let (mut lines, mut n, mut m, mut at) = (String::new(), 0, 0, 0);
    for feature in &trained.preprocess.features {
        let _ = match &feature.coding {
            Coding::Number { fill, shift, scale } => {
                let value = match fill {
                    Some(fill) => format!("(if numbers[{n}].is_nan() {{ {fill:?} }} else {{ numbers[{n}] }})"),
                    None => format!("numbers[{n}]"),
                };
                n += 1;
                writeln!(lines, "    x[{at}] = ({value} - {shift:?}) * {scale:?};")
            }
            Coding::OneHot { words, gaps } => {
                let unknown = if *gaps { format!("else {{ x[{at} + {}] = 1.0; }}", words.len()) } else { String::new() };
                m += 1;
                writeln!(lines, "    if let Some(word) = {} {{ x[{at} + word] = 1.0; }} {unknown}", find(words, m - 1))
            }
            Coding::Embed { words, .. } => {
                m += 1;
                writeln!(lines, "    x[{at}] = {}.map_or(0.0, |word| (word + 1) as f32);", find(words, m - 1))
            }
        };
        at += feature.coding.inputs();
    }
    format!(
        "/// The inputs of the first layer.\nfn prepare(numbers: &[f32; {n}], words: &[&str; {m}]) -> [f32; {inputs}] {{\n    \
         let mut x = [0.0f32; {inputs}];\n{lines}    x\n}}\n\n"
    )
}

/// Where a word of the row is among known ones.
fn find(known: &[String], word: usize) -> String {
    let known: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}].iter().position(|word: &&str| *word == words[{word}])", known.join(", "))
}

/// The weights of the module, as they come up.
struct Module {
    statics: String,
    count: usize,
}

impl Module {
    fn list(&mut self, values: &[f32]) -> String {
        let name = format!("T{}", self.count);
        self.count += 1;
        let _ = write!(self.statics, "static {name}: [f32; {}] = [\n{}];\n", values.len(), numbers(values, "    ", ""));
        name
    }

    fn dense(&mut self, dense: &Dense) -> String {
        let weight = self.list(&dense.weight);
        let bias = self.list(dense.bias.as_deref().unwrap_or(&vec![0.0; dense.outputs]));
        format!("dense::<{}, {}>(&x, &{weight}, &{bias})", dense.inputs, dense.outputs)
    }

    fn embed(&mut self, pieces: &[Piece], indent: &str, width: usize) -> String {
        let (mut lines, mut at) = (String::new(), 0);
        for piece in pieces {
            let from = match piece {
                Piece::Numbers(columns) => format!("x[{}..{}]", columns.start, columns.end),
                Piece::Vectors { column, width, vectors } => format!("{}[x[{column}] as usize * {width}..][..{width}]", self.list(vectors)),
            };
            let _ = writeln!(lines, "{indent}    y[{at}..{}].copy_from_slice(&{from});", at + piece.width());
            at += piece.width();
        }
        format!("{{\n{indent}    let mut y = [0.0f32; {width}];\n{lines}{indent}    y\n{indent}}}")
    }

    /// Statements that turn `x` into the outputs, which are then called `x`.
    fn steps(&mut self, steps: &[Step], indent: &str, mut width: usize) -> String {
        let mut out = String::new();
        for step in steps {
            let line = match step {
                Step::Dense(dense) => {
                    width = dense.outputs;
                    self.dense(dense)
                }
                Step::Embed(pieces) => {
                    width = pieces.iter().map(Piece::width).sum();
                    self.embed(pieces, indent, width)
                }
                Step::Affine { scale, shift } => {
                    let (scale, shift) = (self.list(scale), self.list(shift));
                    format!("std::array::from_fn::<f32, {width}, _>(|i| x[i] * {scale}[i] + {shift}[i])")
                }
                Step::LayerNorm { epsilon, scale, shift } => {
                    let (scale, shift) = (self.list(scale), self.list(shift));
                    format!("layer_norm::<{width}>(&x, {epsilon:?}, &{scale}, &{shift})")
                }
                Step::Activation { formula, .. } => format!("x.map(|z: f32| {})", expression(formula)),
                Step::Softmax => "softmax(x)".into(),
                Step::Residual { body, shortcut } => {
                    let behind = width_behind(body, width);
                    let inner = self.steps(body, &format!("{indent}    "), width);
                    let skip = shortcut.as_ref().map_or("x".into(), |dense| self.dense(dense));
                    width = behind;
                    let sum = format!("{{\n{indent}    let skip = {skip};\n{inner}{indent}    ");
                    format!("{sum}std::array::from_fn::<f32, {behind}, _>(|i| skip[i] + x[i])\n{indent}}}")
                }
            };
            let _ = writeln!(out, "{indent}let x = {line};");
        }
        out
    }
}

fn width_behind(steps: &[Step], width: usize) -> usize {
    steps.iter().fold(width, |width, step| match step {
        Step::Dense(dense) => dense.outputs,
        Step::Embed(pieces) => pieces.iter().map(Piece::width).sum(),
        Step::Residual { body, .. } => width_behind(body, width),
        _ => width,
    })
}

fn expression(formula: &Expr) -> String {
    text(formula.folded(), &|x| format!("{:?}f32", x as f32), &|op, a| match (op, a) {
        (Op::Negate, [a]) => format!("(-{a})"),
        (Op::Add, [a, b]) => format!("({a} + {b})"),
        (Op::Subtract, [a, b]) => format!("({a} - {b})"),
        (Op::Multiply, [a, b]) => format!("({a} * {b})"),
        (Op::Divide, [a, b]) => format!("({a} / {b})"),
        (Op::Less, [a, b]) => format!("truth({a} < {b})"),
        (Op::LessEqual, [a, b]) => format!("truth({a} <= {b})"),
        (Op::Greater, [a, b]) => format!("truth({a} > {b})"),
        (Op::GreaterEqual, [a, b]) => format!("truth({a} >= {b})"),
        (Op::Equal, [a, b]) => format!("truth({a} == {b})"),
        (Op::NotEqual, [a, b]) => format!("truth({a} != {b})"),
        (Op::And, [a, b]) => format!("truth({a} != 0.0 && {b} != 0.0)"),
        (Op::Or, [a, b]) => format!("truth({a} != 0.0 || {b} != 0.0)"),
        (Op::Not, [a]) => format!("truth({a} == 0.0)"),
        (Op::If, [condition, a, b]) => format!("(if {condition} != 0.0 {{ {a} }} else {{ {b} }})"),
        (Op::Min, [a, b]) => format!("{a}.min({b})"),
        (Op::Max, [a, b]) => format!("{a}.max({b})"),
        (Op::Clamp, [x, low, high]) => format!("{x}.max({low}).min({high})"),
        (Op::Power, [a, b]) => format!("power({a}, {b})"),
        (Op::FloorDivide, [a, b]) => format!("({a} / {b}).floor()"),
        (Op::Remainder, [a, b]) => format!("({a}).rem_euclid({b})"),
        (Op::Ln, [a]) => format!("{a}.ln()"),
        (Op::Relu, [a]) => format!("{a}.max(0.0)"),
        (Op::Tanh, [a]) => format!("{a}.tanh()"),
        (Op::Sigmoid | Op::Softplus | Op::Erf | Op::Sign, [a]) => format!("{}({a})", format!("{op:?}").to_lowercase()),
        (_, a) => format!("{}.{}()", a.first().map_or("z", String::as_str), format!("{op:?}").to_lowercase()),
    })
}

/// From the last layer's outputs to answers.
fn finish(answer: &Answer, outputs: usize) -> String {
    let each = |what: &str| format!("    x.map(|z: f32| {what})\n");
    match answer {
        Answer::Class { shares, .. } => match shares {
            Shares::None => "    x\n".into(),
            Shares::Softmax => "    softmax(x)\n".into(),
            Shares::Second => "    let second = sigmoid(x[0]);\n    [1.0 - second, second]\n".into(),
            Shares::Each => each("sigmoid(z)"),
        },
        Answer::Values { columns, deviations: true, .. } => {
            let half = columns.len();
            let pair = |(i, value): (usize, &Value)| {
                format!("x[{i}] * {unit:?} + {:?}, (0.5 * x[{}]).exp() * {unit:?}", value.shift, i + half, unit = value.unit)
            };
            format!("    [{}]\n", columns.iter().enumerate().map(pair).collect::<Vec<_>>().join(", "))
        }
        Answer::Values { columns, link, .. } => {
            let number = |(i, value): (usize, &Value)| {
                let p = match link {
                    Link::Identity => format!("x[{i}]"),
                    Link::Sigmoid => format!("sigmoid(x[{i}])"),
                    Link::Exp => format!("x[{i}].exp()"),
                };
                format!("{p} * {:?} + {:?}", value.unit, value.shift)
            };
            debug_assert_eq!(columns.len(), outputs);
            format!("    [{}]\n", columns.iter().enumerate().map(number).collect::<Vec<_>>().join(", "))
        }
    }
}

fn class(answer: &Answer, outputs: usize) -> String {
    // one score stands for the second of two classes where it is above 0
    let best = match answer {
        Answer::Class { shares: Shares::None, .. } if outputs == 1 => "usize::from(answers[0] > 0.0)".to_string(),
        Answer::Class { shares: Shares::Second, .. } => "usize::from(answers[1] > 0.5)".to_string(),
        _ => format!("(1..{outputs}).fold(0, |best, j| if answers[j] > answers[best] {{ j }} else {{ best }})"),
    };
    format!(
        "/// The class that the answers of `predict` stand for.\npub fn class(answers: &[f32; {outputs}]) -> &'static str {{\n    CLASSES[{best}]\n}}\n\n"
    )
}

const FUNCTIONS: &str = "fn dense<const I: usize, const O: usize>(x: &[f32; I], weight: &[f32], bias: &[f32]) -> [f32; O] {
    std::array::from_fn(|o| weight[o * I..][..I].iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + bias[o])
}

fn layer_norm<const N: usize>(x: &[f32; N], epsilon: f32, scale: &[f32], shift: &[f32]) -> [f32; N] {
    let mean = x.iter().sum::<f32>() / N as f32;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / N as f32;
    std::array::from_fn(|i| (x[i] - mean) / (variance + epsilon).sqrt() * scale[i] + shift[i])
}

fn softmax<const N: usize>(x: [f32; N]) -> [f32; N] {
    let top = x.iter().fold(f32::NEG_INFINITY, |top, &z| top.max(z));
    let powers = x.map(|z| (z - top).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|p| p / sum)
}

fn sigmoid(z: f32) -> f32 {
    let e = (-z.abs()).exp();
    (if z >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

fn softplus(z: f32) -> f32 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn truth(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}

fn sign(z: f32) -> f32 {
    if z > 0.0 { 1.0 } else if z < 0.0 { -1.0 } else { z }
}

fn power(a: f32, b: f32) -> f32 {
    if b.fract() == 0.0 && b.abs() <= 16.0 { a.powi(b as i32) } else { a.powf(b) }
}

// minimax polynomials below and above 0.92
fn erf(x: f32) -> f32 {
    let a = x.abs().min(4.0);
    let q = a * a;
    let near = ((((-5.96761703e-4 * q + 4.99119423e-3) * q - 2.67681349e-2) * q + 1.12819925e-1) * q - 3.76125336e-1) * q + 1.28379166e-1;
    let high = (-1.72853470e-5 * a + 3.83197126e-4) * q + (-3.88396438e-3 * a + 2.42546219e-2);
    let far = ((high * a - 1.06777877e-1) * a - 6.34846687e-1) * a - 1.28717512e-1;
    let value = if a > 0.921875 { 1.0 - (a * far - a).exp() } else { a + a * near };
    if x < 0.0 { -value } else { value }
}

";

fn golden(sample: &Sample) -> String {
    let row = |r: usize| {
        let numbers: Vec<String> =
            sample.numbers[r].iter().map(|x| if x.is_nan() { "f32::NAN".into() } else { format!("{x:?}") }).collect();
        let words: Vec<String> = sample.words[r].iter().map(|word| format!("{word:?}")).collect();
        let answers: Vec<String> = sample.answers[r].iter().map(|x| format!("{:?}", *x as f32)).collect();
        format!("            (&[{}], &[{}], &[{}]),\n", numbers.join(", "), words.join(", "), answers.join(", "))
    };
    let rows: String = (0..sample.answers.len()).map(row).collect();
    let (n, m, k) = (sample.numbers[0].len(), sample.words[0].len(), sample.answers[0].len());
    format!(
        "\n#[cfg(test)]\nmod tests {{\n    /// What gradus itself predicts.\n    #[test]\n    fn predictions_are_those_of_gradus() {{\n        \
         let rows: [(&[f32; {n}], &[&str; {m}], &[f32; {k}]); {}] = [\n{rows}        ];\n        \
         for (numbers, words, wanted) in rows {{\n            \
         for (got, wanted) in super::predict(numbers, words).iter().zip(wanted) {{\n                \
         assert!((got - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), \"{{}} should be {{}} of {{:?}} {{:?}}\", got, wanted, numbers, words);\n            \
         }}\n        }}\n    }}\n}}\n",
        sample.answers.len()
    )
}
