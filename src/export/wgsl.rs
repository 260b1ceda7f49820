//! A model as functions in WGSL: columns in, probabilities or numbers out, and an entry point that checks them. The weights of a small net are
//! constants in it; those of a larger one are in a buffer that goes with it.
//!
//! Rows of numbers are arrays of `vec4<f32>`, padded with zeros.

use super::answer::{Answer, Shares};
use super::sample::Sample;
use super::steps::{Dense, Piece, Step, steps};
use super::{Exported, Trained};
use crate::data::Coding;
use crate::error::Result;
use crate::expr::{Width, wgsl_functions};
use crate::formula::Link;
use std::fmt::Write as _;

/// How many products are added up in one statement.
const TERMS: usize = 8;
/// The most weights that are written out. They are compiled one by one, which takes a software driver some milliseconds each.
const WRITTEN_OUT: usize = 2_000;

/// The source, and the weights where they are not in it.
pub(super) fn wgsl(trained: &Trained<'_>) -> Result<Exported> {
    let steps = steps(trained.model, trained.weights)?;
    let sample = Sample::of(trained)?;
    let answer = Answer::of(trained.preprocess, trained.loss);
    let in_buffer = trained.model.parameters() > WRITTEN_OUT;
    let mut module = Module { items: String::new(), count: 0, buffer: in_buffer.then(Vec::new) };
    let inputs = trained.model.inputs();
    let (body, row, _) = module.steps(&steps, "x", inputs);
    let (n, m, k) = (sample.numbers[0].len().max(1), sample.words[0].len().max(1), sample.answers[0].len());
    let mut out = format!(
        "// The model `{}`, written by gradus {}. `predict` takes the columns of a row and gives {}.\n// `check` is an entry point of its own: it writes the \
         largest error of some rows, relative to max(1, |answer|), which should be below 1e-5 (1e-4 on drivers with a coarse exp).\n{}",
        trained.name.escape_debug(),
        env!("CARGO_PKG_VERSION"),
        answer.what(),
        columns(trained, &answer)
    );
    if let Some(buffer) = &module.buffer {
        let _ = write!(
            out,
            "// The weights, row by row, each padded with zeros to groups of four: {} of them, little-endian, are in the file that was written with this one.\n\
             @group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;\n\n",
            buffer.len()
        );
    }
    out += &prepare(trained, n, m);
    let _ = write!(
        out,
        "fn predict(numbers: array<f32, {n}>, words: array<i32, {m}>) -> array<f32, {k}> {{\n    var x = prepare(numbers, words);\n{body}{}}}\n\n",
        finish(&answer, &row, k)
    );
    out += &module.items;
    out += &functions(&steps);
    out += &check(&sample, n, m, k);
    let bytes = |fours: Vec<[f32; 4]>| fours.iter().flatten().flat_map(|weight| weight.to_le_bytes()).collect();
    Ok(Exported { file: out.into_bytes(), buffer: module.buffer.map(bytes) })
}

fn columns(trained: &Trained<'_>, answer: &Answer) -> String {
    let mut out = String::new();
    let (mut n, mut m) = (0, 0);
    // a name could end the line, in WGSL by U+2028 and others, too: as Rust quotes it, it cannot
    let shown = |name: &str| format!("{name:?}");
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
    for (i, name) in answer.names().iter().enumerate() {
        let _ = writeln!(out, "// answer[{i}]: {}", shown(name));
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

fn vec4(values: &[f32; 4]) -> String {
    format!("vec4<f32>({})", values.map(literal).join(", "))
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
    /// The weights so far, where they go to a buffer.
    buffer: Option<Vec<[f32; 4]>>,
}

impl Module {
    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    /// Four numbers each, of which `[i]` is wanted.
    fn list(&mut self, values: &[[f32; 4]]) -> String {
        if let Some(buffer) = &mut self.buffer {
            buffer.extend(values);
            return format!("weights[{}u + i]", buffer.len() - values.len());
        }
        let name = self.fresh("t");
        let four = |v: &[f32; 4]| format!("vec4<f32>({})", v.map(literal).join(", "));
        let lines: Vec<String> =
            values.chunks(4).map(|line| format!("    {}", line.iter().map(four).collect::<Vec<_>>().join(", "))).collect();
        let _ = write!(self.items, "const {name} = array<vec4<f32>, {}>(\n{},\n);\n", values.len(), lines.join(",\n"));
        format!("{name}[i]")
    }

    fn fours(values: &[f32]) -> Vec<[f32; 4]> {
        values.chunks(4).map(|chunk| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0.0))).collect()
    }

    /// A function for a dense layer. Weights that are not in the buffer are written out: an array of them, indexed in a loop, would be copied to each
    /// invocation's memory.
    fn dense(&mut self, dense: &Dense) -> String {
        let (in4, out4) = (padded4(dense.inputs), padded4(dense.outputs));
        let body = match &mut self.buffer {
            Some(buffer) => {
                let from = buffer.len();
                dense.weight.chunks(dense.inputs).for_each(|row| buffer.extend(Self::fours(row)));
                buffer.resize(from + 4 * out4 * in4, [0.0; 4]);
                let bias = buffer.len();
                buffer.extend(Self::fours(dense.bias.as_deref().unwrap_or(&vec![0.0; dense.outputs])));
                format!(
                    "    for (var o = 0u; o < {out4}u; o += 1u) {{
        let at = {from}u + 4u * o * {in4}u;
        var sums = mat4x4<f32>();
        for (var i = 0u; i < {in4}u; i += 1u) {{
            let four = (*x)[i];
            sums[0] += four * weights[at + i];
            sums[1] += four * weights[at + {in4}u + i];
            sums[2] += four * weights[at + 2u * {in4}u + i];
            sums[3] += four * weights[at + 3u * {in4}u + i];
        }}
        (*y)[o] = weights[{bias}u + o] + vec4<f32>(1.0) * sums;
    }}
"
                )
            }
            None => written_out(dense),
        };
        self.function("dense", in4, out4, &body)
    }

    /// A function from one row to another.
    fn function(&mut self, what: &str, in4: usize, out4: usize, body: &str) -> String {
        let name = self.fresh(what);
        let row = |len: usize| format!("ptr<function, array<vec4<f32>, {len}>>");
        let _ = write!(self.items, "fn {name}(x: {}, y: {}) {{\n{body}}}\n\n", row(in4), row(out4));
        name
    }

    /// A function for an embedding, which picks a vector by its code: without the buffer from the cases of a switch.
    fn embed(&mut self, pieces: &[Piece], inputs: usize, width: usize) -> String {
        let place = |name: &str, at: usize| format!("(*{name})[{}][{}]", at / 4, at % 4);
        let (mut body, mut at) = (String::new(), 0);
        for piece in pieces {
            match (piece, &mut self.buffer) {
                (Piece::Numbers(columns), _) => columns.clone().enumerate().for_each(|(i, column)| {
                    let _ = writeln!(body, "    {} = {};", place("y", at + i), place("x", column));
                }),
                (Piece::Vectors { column, width, vectors }, Some(buffer)) => {
                    let (from, code) = (buffer.len(), place("x", *column));
                    vectors.chunks(*width).for_each(|vector| buffer.extend(Self::fours(vector)));
                    for e in 0..*width {
                        let four = format!("weights[{}u + {}u * u32({code})]", from + e / 4, padded4(*width));
                        let _ = writeln!(body, "    {} = {four}[{}];", place("y", at + e), e % 4);
                    }
                }
                (Piece::Vectors { column, width, vectors }, None) => {
                    let _ = writeln!(body, "    switch u32({}) {{", place("x", *column));
                    for (code, vector) in vectors.chunks(*width).enumerate() {
                        let element = |(e, &value): (usize, &f32)| format!("{} = {};", place("y", at + e), literal(value));
                        let case = if code == 0 { "default".to_string() } else { format!("case {code}u") };
                        let elements = vector.iter().enumerate().map(element).collect::<Vec<_>>().join(" ");
                        let _ = writeln!(body, "        {case}: {{ {elements} }}");
                    }
                    body += "    }\n";
                }
            }
            at += piece.width();
        }
        self.function("embed", padded4(inputs), padded4(width), &body)
    }

    /// A function that does something to each group of four of a row, in place, and sets the padding to zero.
    fn map(&mut self, width: usize, before: &str, each: &str) -> String {
        let (name, len) = (self.fresh("step"), padded4(width));
        let _ = write!(
            self.items,
            "fn {name}(x: ptr<function, array<vec4<f32>, {len}>>) {{\n{before}    for (var i = 0u; i < {len}u; i += 1u) {{\n        \
             let z = (*x)[i];\n        let live = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({width}u);\n        \
             (*x)[i] = select(vec4<f32>(), {each}, live);\n    }}\n}}\n\n"
        );
        name
    }

    /// Statements that turn the row `from` of a width, which they may change, into the outputs; what they call these, and their width.
    fn steps(&mut self, steps: &[Step], from: &str, mut width: usize) -> (String, String, usize) {
        let (mut out, mut x) = (String::new(), from.to_string());
        for step in steps {
            let (function, behind) = match step {
                Step::Dense(dense) => (self.dense(dense), Some(dense.outputs)),
                Step::Embed(pieces) => {
                    let behind = pieces.iter().map(Piece::width).sum();
                    (self.embed(pieces, width, behind), Some(behind))
                }
                Step::Affine { scale, shift } => {
                    let (scale, shift) = (self.list(&Self::fours(scale)), self.list(&Self::fours(shift)));
                    (self.map(width, "", &format!("z * {scale} + {shift}")), None)
                }
                Step::LayerNorm { epsilon, scale, shift } => {
                    let (scale, shift) = (self.list(&Self::fours(scale)), self.list(&Self::fours(shift)));
                    let len = padded4(width);
                    let before = format!(
                        "    var total = 0.0;\n    for (var i = 0u; i < {len}u; i += 1u) {{ total += dot((*x)[i], vec4<f32>(1.0)); }}\n    \
                         let mean = total / {width}.0;\n    var squares = 0.0;\n    for (var i = 0u; i < {len}u; i += 1u) {{\n        \
                         let live = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({width}u);\n        \
                         let e = select(vec4<f32>(), (*x)[i] - mean, live);\n        squares += dot(e, e);\n    }}\n    \
                         let factor = inverseSqrt(squares / {width}.0 + {});\n",
                        literal(*epsilon)
                    );
                    (self.map(width, &before, &format!("(z - mean) * factor * {scale} + {shift}")), None)
                }
                Step::Activation { formula, .. } => (self.map(width, "", &format!("vec4<f32>({})", formula.wgsl(Width::Four))), None),
                Step::Softmax => (self.softmax(width), None),
                Step::Residual { body, shortcut } => {
                    let skip = self.fresh("skip");
                    let behind = match shortcut {
                        Some(dense) => {
                            let project = self.dense(dense);
                            let _ = write!(out, "    var {skip}: {};\n    {project}(&{x}, &{skip});\n", row(dense.outputs));
                            dense.outputs
                        }
                        None => {
                            let _ = writeln!(out, "    var {skip} = {x};");
                            width
                        }
                    };
                    let (inner, last, _) = self.steps(body, &x, width);
                    let _ = writeln!(out, "{inner}    {}(&{skip}, &{last});", self.sum(behind));
                    (x, width) = (last, behind);
                    continue;
                }
            };
            match behind {
                Some(behind) => {
                    let next = self.fresh("x");
                    let _ = write!(out, "    var {next}: {};\n    {function}(&{x}, &{next});\n", row(behind));
                    (x, width) = (next, behind);
                }
                None => {
                    let _ = writeln!(out, "    {function}(&{x});");
                }
            }
        }
        (out, x, width)
    }

    /// A function that adds one row to another.
    fn sum(&mut self, width: usize) -> String {
        let len = padded4(width);
        self.function("sum", len, len, &format!("    for (var i = 0u; i < {len}u; i += 1u) {{ (*y)[i] += (*x)[i]; }}\n"))
    }

    fn softmax(&mut self, width: usize) -> String {
        let before = format!(
            "    var top = (*x)[0][0];\n    for (var j = 0u; j < {width}u; j += 1u) {{ top = max(top, (*x)[j / 4u][j % 4u]); }}\n    var total = 0.0;\n    \
             for (var j = 0u; j < {width}u; j += 1u) {{ total += exp((*x)[j / 4u][j % 4u] - top); }}\n"
        );
        self.map(width, &before, "exp(z - top) / total")
    }
}

/// The type of a row.
fn row(width: usize) -> String {
    format!("array<vec4<f32>, {}>", padded4(width))
}

/// The sums of a dense layer with all weights in them.
fn written_out(dense: &Dense) -> String {
    let mut body = String::from("    var sum: f32;\n");
    for (o, weight) in dense.weight.chunks(dense.inputs).enumerate() {
        let bias = dense.bias.as_ref().map_or(0.0, |bias| bias[o]);
        let _ = writeln!(body, "    sum = {};", literal(bias));
        for (i, terms) in Module::fours(weight).chunks(TERMS).enumerate() {
            let term = |(j, four): (usize, &[f32; 4])| format!("dot((*x)[{}], {})", i * TERMS + j, vec4(four));
            let _ = writeln!(body, "    sum += {};", terms.iter().enumerate().map(term).collect::<Vec<_>>().join(" + "));
        }
        let _ = writeln!(body, "    (*y)[{}][{}] = sum;", o / 4, o % 4);
    }
    body
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
    // rows of at least one cell, one behind the other; a NaN cannot be written, and is made of a number that no row has
    let table = |cells: Vec<Vec<String>>, len: usize, empty: &str| {
        let row = |row: &Vec<String>| if row.is_empty() { vec![empty; len].join(", ") } else { row.join(", ") };
        cells.iter().map(|cells| format!("    {},\n", row(cells))).collect::<String>()
    };
    let number = |x: &f32| if x.is_nan() { literal(GAP) } else { literal(*x) };
    let numbers = table(sample.numbers.iter().map(|row| row.iter().map(number).collect()).collect(), n, "0.0");
    let words = table(sample.codes.iter().map(|row| row.iter().map(i32::to_string).collect()).collect(), m, "0");
    let answers = table(sample.answers.iter().map(|row| row.iter().map(|x| literal(*x as f32)).collect()).collect(), k, "0.0");
    format!(
        "\n@group(0) @binding(0) var<storage, read_write> result: array<f32>;\n\n\
         const row_numbers = array<f32, {}>(\n{numbers});\nconst row_words = array<i32, {}>(\n{words});\nconst row_answers = array<f32, {}>(\n{answers});\n\n\
         @compute @workgroup_size(1)\nfn check() {{\n    var worst = 0.0;\n    \
         // not a constant to the compiler, to which a NaN in one is an error\n    let gap = bitcast<f32>(0x7fc00000u + arrayLength(&result) - 1u);\n    \
         for (var r = 0u; r < {rows}u; r += 1u) {{\n        var numbers: array<f32, {n}>;\n        var words: array<i32, {m}>;\n        \
         for (var i = 0u; i < {n}u; i += 1u) {{\n            let x = row_numbers[r * {n}u + i];\n            numbers[i] = select(x, gap, x == {gap});\n        }}\n        \
         for (var i = 0u; i < {m}u; i += 1u) {{ words[i] = row_words[r * {m}u + i]; }}\n        \
         var answers = predict(numbers, words);\n        for (var j = 0u; j < {k}u; j += 1u) {{\n            let wanted = row_answers[r * {k}u + j];\n            \
         worst = max(worst, abs(answers[j] - wanted) / max(1.0, abs(wanted)));\n        }}\n    }}\n    result[0] = worst;\n}}\n",
        rows * n,
        rows * m,
        rows * k,
        gap = literal(GAP),
    )
}

/// Stands for a gap in the rows that are checked.
const GAP: f32 = -3.0e38;
