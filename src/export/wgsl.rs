//! A model as functions in WGSL: columns in, probabilities or numbers out, with all weights as constants, and an entry point that checks them.
//!
//! Constants are arrays of at most 2,047 elements, the most that WGSL asks of a compiler; rows of numbers are arrays of `vec4<f32>`, padded with zeros.

use super::Trained;
use super::answer::{Answer, Shares};
use super::sample::Sample;
use super::steps::{Dense, Step, steps};
use crate::data::{Coding, Value};
use crate::error::Result;
use crate::expr::{Width, wgsl_functions};
use crate::formula::Link;
use std::fmt::Write as _;

/// The most elements of an array of constants.
const MOST: usize = 2047;

/// The source.
pub(super) fn wgsl(trained: &Trained<'_>) -> Result<String> {
    let steps = steps(trained.model, trained.weights)?;
    let sample = Sample::of(trained)?;
    let answer = Answer::of(trained.preprocess, trained.loss);
    let mut module = Module { items: String::new(), count: 0 };
    let inputs = trained.model.inputs();
    let (body, row, _) = module.steps(&steps, "x", inputs);
    let (n, m, k) = (sample.numbers[0].len().max(1), sample.words[0].len().max(1), sample.answers[0].len());
    let mut out = format!(
        "// The model `{}`, written by gradus {}. `predict` takes the columns of a row and gives {}.\n// `check` is an entry point of its own: it writes the \
         largest error of some rows, relative to max(1, |answer|), which should be below 1e-5 (1e-4 on drivers with a coarse exp).\n{}",
        trained.name.escape_debug(),
        env!("CARGO_PKG_VERSION"),
        match &answer {
            Answer::Class { shares: Shares::None, .. } => "the score of each class",
            Answer::Class { .. } => "the probability of each class",
            Answer::Values { .. } => "the numbers that are predicted",
        },
        columns(trained, &answer)
    );
    out += &prepare(trained, n, m);
    let _ = write!(
        out,
        "fn predict(numbers: array<f32, {n}>, words: array<i32, {m}>) -> array<f32, {k}> {{\n    let x = prepare(numbers, words);\n{body}{}}}\n\n",
        finish(&answer, &row, k)
    );
    out += &module.items;
    out += &functions(&steps);
    out += &check(&sample, n, m, k);
    Ok(out)
}

fn columns(trained: &Trained<'_>, answer: &Answer) -> String {
    let mut out = String::new();
    let (mut n, mut m) = (0, 0);
    // a name could end the line: as JSON it cannot
    let shown = |name: &str| serde_json::Value::from(name).to_string();
    for feature in &trained.preprocess.features {
        let _ = match &feature.coding {
            Coding::Number { .. } => {
                n += 1;
                writeln!(out, "// numbers[{}]: {}", n - 1, shown(&feature.column))
            }
            Coding::OneHot { words, .. } | Coding::Embed { words, .. } => {
                m += 1;
                let list: Vec<String> = words.iter().enumerate().map(|(i, word)| format!("{i} {}", shown(word))).collect();
                writeln!(out, "// words[{}]: {}: {}; anything else -1", m - 1, shown(&feature.column), list.join(", "))
            }
        };
    }
    let answers: Vec<String> = match answer {
        Answer::Class { names, .. } => names.iter().map(|name| shown(name)).collect(),
        Answer::Values { columns, deviations, .. } => {
            let deviation = |value: &Value| deviations.then(|| shown(&format!("{}_std", value.column)));
            columns.iter().flat_map(|value| std::iter::once(shown(&value.column)).chain(deviation(value))).collect()
        }
    };
    for (i, name) in answers.iter().enumerate() {
        let _ = writeln!(out, "// answer[{i}]: {name}");
    }
    out + "\n"
}

fn padded4(width: usize) -> usize {
    width.div_ceil(4)
}

fn literal(value: f32) -> String {
    // a suffix makes it a number of 32 bits from the start, and exponents need no point
    format!("{value:?}f")
}

fn prepare(trained: &Trained<'_>, n: usize, m: usize) -> String {
    let inputs = padded4(trained.model.inputs());
    let (mut lines, mut number, mut word, mut at) = (String::new(), 0, 0, 0);
    for feature in &trained.preprocess.features {
        let place = |at: usize| format!("x[{}][{}]", at / 4, at % 4);
        let _ = match &feature.coding {
            Coding::Number { fill, shift, scale } => {
                let value = match fill {
                    Some(fill) => format!("filled(numbers[{number}], {})", literal(*fill)),
                    None => format!("numbers[{number}]"),
                };
                number += 1;
                writeln!(lines, "    {} = ({value} - {}) * {};", place(at), literal(*shift), literal(*scale))
            }
            Coding::OneHot { words, gaps } => {
                word += 1;
                let own = word - 1;
                (0..words.len()).for_each(|i| {
                    let _ = writeln!(lines, "    {} = select(0.0, 1.0, words[{own}] == {i});", place(at + i));
                });
                if *gaps {
                    let unknown = format!("words[{own}] < 0 || words[{own}] >= {}", words.len());
                    let _ = writeln!(lines, "    {} = select(0.0, 1.0, {unknown});", place(at + words.len()));
                }
                Ok(())
            }
            Coding::Embed { words, .. } => {
                word += 1;
                let own = word - 1;
                let known = format!("words[{own}] >= 0 && words[{own}] < {}", words.len());
                writeln!(lines, "    {} = select(0.0, f32(words[{own}] + 1), {known});", place(at))
            }
        };
        at += feature.coding.inputs();
    }
    format!(
        "// a gap is a NaN, known by its bits\nfn filled(x: f32, fill: f32) -> f32 {{\n    \
         return select(x, fill, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);\n}}\n\n\
         fn prepare(numbers: array<f32, {n}>, words: array<i32, {m}>) -> array<vec4<f32>, {inputs}> {{\n    \
         var x: array<vec4<f32>, {inputs}>;\n{lines}    return x;\n}}\n\n"
    )
}

/// Constants and functions, as they come up.
struct Module {
    items: String,
    count: usize,
}

impl Module {
    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    /// Constants of four numbers each.
    fn list(&mut self, values: &[[f32; 4]]) -> String {
        let name = self.fresh("t");
        let four = |v: &[f32; 4]| format!("vec4<f32>({})", v.map(literal).join(", "));
        let lines: Vec<String> =
            values.chunks(4).map(|line| format!("    {}", line.iter().map(four).collect::<Vec<_>>().join(", "))).collect();
        let _ = write!(self.items, "const {name} = array<vec4<f32>, {}>(\n{},\n);\n", values.len(), lines.join(",\n"));
        name
    }

    fn fours(values: &[f32]) -> Vec<[f32; 4]> {
        values.chunks(4).map(|chunk| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0.0))).collect()
    }

    /// A function for a dense layer: parts of as many rows as one array holds.
    fn dense(&mut self, dense: &Dense) -> String {
        let (in4, out4) = (padded4(dense.inputs), padded4(dense.outputs));
        let rows = (MOST / in4).max(1);
        let bias = self.list(&Self::fours(dense.bias.as_deref().unwrap_or(&vec![0.0; dense.outputs])));
        let mut body = String::new();
        for (part, weight) in dense.weight.chunks(rows * dense.inputs).enumerate() {
            let fours: Vec<[f32; 4]> = weight.chunks(dense.inputs).flat_map(Self::fours).collect();
            // a row that is longer than an array of constants is cut, too
            let (first, count) = (part * rows, weight.len() / dense.inputs);
            let mut sums = String::new();
            for (cut, block) in (0..in4).step_by(MOST).enumerate() {
                let wide = (in4 - block).min(MOST);
                let own: Vec<[f32; 4]> = fours.chunks(in4).flat_map(|row| row[block..block + wide].to_vec()).collect();
                let name = self.list(&own);
                let _ = write!(
                    sums,
                    "        for (var k{cut} = 0u; k{cut} < {wide}u; k{cut} += 1u) {{ sum += dot(x[{block}u + k{cut}], {name}[r * {wide}u + k{cut}]); }}\n"
                );
            }
            let _ = write!(
                body,
                "    for (var r = 0u; r < {count}u; r += 1u) {{\n        let o = {first}u + r;\n        var sum = {bias}[o / 4u][o % 4u];\n{sums}        \
                 y[o / 4u][o % 4u] = sum;\n    }}\n"
            );
        }
        let name = self.fresh("dense");
        let _ = write!(
            self.items,
            "fn {name}(input: array<vec4<f32>, {in4}>) -> array<vec4<f32>, {out4}> {{\n    var x = input;\n    var y: array<vec4<f32>, {out4}>;\n{body}    \
             return y;\n}}\n\n"
        );
        name
    }

    /// A function that does something to each group of four of a row, then sets the padding to zero.
    fn map(&mut self, width: usize, before: &str, each: &str) -> String {
        let (name, len) = (self.fresh("step"), padded4(width));
        let _ = write!(
            self.items,
            "fn {name}(input: array<vec4<f32>, {len}>) -> array<vec4<f32>, {len}> {{\n    var x = input;\n{before}    \
             for (var i = 0u; i < {len}u; i += 1u) {{\n        let z = x[i];\n        let live = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({width}u);\n        \
             x[i] = select(vec4<f32>(), {each}, live);\n    }}\n    return x;\n}}\n\n"
        );
        name
    }

    /// Statements that turn the row `from` of a width into the outputs; what they call these, and their width.
    fn steps(&mut self, steps: &[Step], from: &str, mut width: usize) -> (String, String, usize) {
        let (mut out, mut x) = (String::new(), from.to_string());
        for step in steps {
            let call = match step {
                Step::Dense(dense) => {
                    width = dense.outputs;
                    format!("{}({x})", self.dense(dense))
                }
                Step::Affine { scale, shift } => {
                    let (scale, shift) = (self.list(&Self::fours(scale)), self.list(&Self::fours(shift)));
                    format!("{}({x})", self.map(width, "", &format!("z * {scale}[i] + {shift}[i]")))
                }
                Step::LayerNorm { epsilon, scale, shift } => {
                    let (scale, shift) = (self.list(&Self::fours(scale)), self.list(&Self::fours(shift)));
                    let len = padded4(width);
                    let before = format!(
                        "    var total = 0.0;\n    for (var i = 0u; i < {len}u; i += 1u) {{ total += dot(x[i], vec4<f32>(1.0)); }}\n    \
                         let mean = total / {width}.0;\n    var squares = 0.0;\n    for (var i = 0u; i < {len}u; i += 1u) {{\n        \
                         let live = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({width}u);\n        \
                         let e = select(vec4<f32>(), x[i] - mean, live);\n        squares += dot(e, e);\n    }}\n    \
                         let factor = inverseSqrt(squares / {width}.0 + {});\n",
                        literal(*epsilon)
                    );
                    format!("{}({x})", self.map(width, &before, &format!("(z - mean) * factor * {scale}[i] + {shift}[i]")))
                }
                Step::Activation { formula, .. } => {
                    format!("{}({x})", self.map(width, "", &format!("vec4<f32>({})", formula.wgsl(Width::Four))))
                }
                Step::Softmax => format!("{}({x})", self.softmax(width)),
                Step::Residual { body, shortcut } => {
                    let skip = match shortcut {
                        Some(dense) => format!("{}({x})", self.dense(dense)),
                        None => x.clone(),
                    };
                    let (inner, last, behind) = self.steps(body, &x, width);
                    width = behind;
                    out += &inner;
                    format!("{}({skip}, {last})", self.sum(width))
                }
            };
            let name = self.fresh("x");
            let _ = writeln!(out, "    let {name} = {call};");
            x = name;
        }
        (out, x, width)
    }

    fn sum(&mut self, width: usize) -> String {
        let (name, len) = (self.fresh("sum"), padded4(width));
        let row = format!("array<vec4<f32>, {len}>");
        let _ = write!(
            self.items,
            "fn {name}(a: {row}, b: {row}) -> {row} {{\n    var x = a;\n    var y = b;\n    \
             for (var i = 0u; i < {len}u; i += 1u) {{ x[i] += y[i]; }}\n    return x;\n}}\n\n"
        );
        name
    }

    fn softmax(&mut self, width: usize) -> String {
        let before = format!(
            "    var top = x[0][0];\n    for (var j = 0u; j < {width}u; j += 1u) {{ top = max(top, x[j / 4u][j % 4u]); }}\n    var total = 0.0;\n    \
             for (var j = 0u; j < {width}u; j += 1u) {{ total += exp(x[j / 4u][j % 4u] - top); }}\n"
        );
        self.map(width, &before, "exp(z - top) / total")
    }
}

/// From the last layer's outputs to answers.
fn finish(answer: &Answer, row: &str, k: usize) -> String {
    let out = format!("    var answers: array<f32, {k}>;\n");
    let lines = match answer {
        Answer::Class { shares: Shares::None, .. } => {
            format!("    for (var j = 0u; j < {k}u; j += 1u) {{ answers[j] = LAST[j / 4u][j % 4u]; }}\n")
        }
        Answer::Class { shares: Shares::Softmax, .. } => format!(
            "    var top = LAST[0][0];\n    for (var j = 0u; j < {k}u; j += 1u) {{ top = max(top, LAST[j / 4u][j % 4u]); }}\n    var total = 0.0;\n    \
             for (var j = 0u; j < {k}u; j += 1u) {{\n        answers[j] = exp(LAST[j / 4u][j % 4u] - top);\n        total += answers[j];\n    }}\n    \
             for (var j = 0u; j < {k}u; j += 1u) {{ answers[j] /= total; }}\n"
        ),
        Answer::Class { shares: Shares::Second, .. } => {
            "    answers[1] = logistic(LAST[0][0]);\n    answers[0] = 1.0 - answers[1];\n".to_string()
        }
        Answer::Class { shares: Shares::Each, .. } => {
            format!("    for (var j = 0u; j < {k}u; j += 1u) {{ answers[j] = logistic(LAST[j / 4u][j % 4u]); }}\n")
        }
        Answer::Values { columns, link, deviations } => {
            let half = columns.len();
            let at = |i: usize| format!("LAST[{}][{}]", i / 4, i % 4);
            let mut lines = String::new();
            for (i, value) in columns.iter().enumerate() {
                let p = match link {
                    Link::Identity => at(i),
                    Link::Sigmoid => format!("logistic({})", at(i)),
                    Link::Exp => format!("exp({})", at(i)),
                };
                let place = if *deviations { 2 * i } else { i };
                let _ = writeln!(lines, "    answers[{place}] = {p} * {} + {};", literal(value.unit), literal(value.shift));
                if *deviations {
                    let _ = writeln!(lines, "    answers[{}] = exp(0.5 * {}) * {};", place + 1, at(i + half), literal(value.unit));
                }
            }
            lines
        }
    };
    // a row that is indexed by a number that is not known beforehand has to be a variable
    format!("    var last = {row};\n{out}{}    return answers;\n", lines.replace("LAST", "last"))
}

fn functions(steps: &[Step]) -> String {
    fn any(steps: &[Step]) -> bool {
        steps.iter().any(|step| match step {
            Step::Activation { .. } => true,
            Step::Residual { body, .. } => any(body),
            _ => false,
        })
    }
    let own = "fn logistic(z: f32) -> f32 {\n    let e = exp(-abs(z));\n    return select(e, 1.0, z >= 0.0) / (1.0 + e);\n}\n\n";
    if any(steps) { own.to_string() + &wgsl_functions(Width::Four) } else { own.to_string() }
}

/// The entry point that compares some rows with what gradus itself predicts.
fn check(sample: &Sample, n: usize, m: usize, k: usize) -> String {
    let rows = sample.answers.len();
    let list = |cells: Vec<String>, len: usize, empty: &str| if cells.is_empty() { vec![empty; len].join(", ") } else { cells.join(", ") };
    let mut body = String::new();
    for r in 0..rows {
        // a NaN cannot be written, only made
        let numbers = sample.numbers[r].iter().map(|x| if x.is_nan() { "bitcast<f32>(gap)".into() } else { literal(*x) }).collect();
        let words = sample.codes[r].iter().map(i32::to_string).collect();
        let answers = sample.answers[r].iter().map(|x| literal(*x as f32)).collect();
        let _ = writeln!(
            body,
            "    worst = max(worst, error(predict(array<f32, {n}>({}), array<i32, {m}>({})), array<f32, {k}>({})));",
            list(numbers, n, "0.0"),
            list(words, m, "0"),
            list(answers, k, "0.0")
        );
    }
    format!(
        "\n@group(0) @binding(0) var<storage, read_write> result: array<f32>;\n\n\
         fn error(answers: array<f32, {k}>, wanted: array<f32, {k}>) -> f32 {{\n    var a = answers;\n    var w = wanted;\n    var worst = 0.0;\n    \
         for (var j = 0u; j < {k}u; j += 1u) {{ worst = max(worst, abs(a[j] - w[j]) / max(1.0, abs(w[j]))); }}\n    return worst;\n}}\n\n\
         @compute @workgroup_size(1)\nfn check() {{\n    // not a constant to the compiler: a NaN in one is an error\n    \
         var gap = 0x7fc00000u + arrayLength(&result) - 1u;\n    var worst = 0.0;\n{body}    result[0] = worst;\n}}\n"
    )
}
