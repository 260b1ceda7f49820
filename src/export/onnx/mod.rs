//! A model as an ONNX graph, opset 17: raw columns in, the preprocessing inside, any number of rows.
//!
//! Where all columns are numbers there is one input `X [N, columns]`, in the order of the metadata's `columns`; else each column is an input
//! `[N, 1]` of its own name, of numbers or of strings. Gaps are NaN, and empty strings. Outputs are `label [N]` and `probabilities [N, classes]`
//! (`scores` where the loss has no probabilities), or `predictions [N, targets]`, in the order of the metadata's `outputs`.

mod proto;

use super::Trained;
use super::answer::{Answer, Shares};
use super::steps::{Dense, Piece, Step, steps};
use crate::data::Coding;
use crate::error::Result;
use crate::expr::{self, Op};
use crate::formula::Link;
use prost::Message as _;
use proto::{Attribute, FLOAT, Graph, INT64, STRING, Tensor};
use std::ops::Range;

/// The file.
pub(super) fn onnx(trained: &Trained<'_>) -> Result<Vec<u8>> {
    let steps = steps(trained.model, trained.weights)?;
    let answer = Answer::of(trained.preprocess, trained.loss);
    let mut graph = Builder::default();
    let inputs = graph.inputs(trained);
    let x = graph.steps(&steps, inputs);
    graph.answers(&answer, x, trained.model.outputs());
    graph.graph.name = Some(trained.name.to_string());
    let mut metadata = vec![entry("columns", &trained.preprocess.features.iter().map(|f| f.column.clone()).collect::<Vec<_>>())];
    let outputs = if let Answer::Class { .. } = answer { "classes" } else { "outputs" };
    metadata.push(entry(outputs, &answer.names()));
    let set = |domain: &str, version| proto::OperatorSet { domain: Some(domain.into()), version: Some(version) };
    let mut opset_import = vec![set("", 17)];
    if trained.preprocess.features.iter().any(|f| !matches!(f.coding, Coding::Number { .. })) {
        opset_import.push(set("ai.onnx.ml", 3));
    }
    let model = proto::Model {
        ir_version: Some(8),
        producer_name: Some("gradus".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph.graph),
        opset_import,
        metadata_props: metadata,
    };
    Ok(model.encode_to_vec())
}

fn entry(key: &str, names: &[String]) -> proto::Entry {
    proto::Entry { key: Some(key.into()), value: Some(serde_json::Value::from(names.to_vec()).to_string()) }
}

/// A graph as it grows.
#[derive(Default)]
struct Builder {
    graph: Graph,
    count: usize,
}

impl Builder {
    /// A name that nothing has yet. Columns of a file can have any name but one with this sign in it.
    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("/{what}{}", self.count)
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let out = self.fresh(op);
        self.node_to(op, inputs, &out, attributes);
        out
    }

    fn node_to(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) {
        let domain = matches!(op, "OneHotEncoder" | "LabelEncoder").then(|| "ai.onnx.ml".to_string());
        self.graph.node.push(proto::Node {
            input: inputs.iter().map(|name| (*name).to_string()).collect(),
            output: vec![output.to_string()],
            name: Some(output.to_string()),
            op_type: Some(op.into()),
            attribute,
            domain,
        });
    }

    fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        self.tensor(dims, FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn whole(&mut self, values: &[i64]) -> String {
        self.tensor(&[values.len()], INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn tensor(&mut self, dims: &[usize], kind: i32, raw: Vec<u8>) -> String {
        let name = self.fresh("tensor");
        let dims = dims.iter().map(|&n| n as i64).collect();
        self.graph.initializer.push(Tensor {
            dims,
            data_type: Some(kind),
            name: Some(name.clone()),
            raw_data: Some(raw),
            string_data: vec![],
        });
        name
    }

    fn words(&mut self, words: &[String]) -> String {
        let name = self.fresh("words");
        let string_data = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let dims = vec![words.len() as i64];
        self.graph.initializer.push(Tensor { dims, data_type: Some(STRING), name: Some(name.clone()), raw_data: None, string_data });
        name
    }

    fn scalar(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// Columns as the model's inputs `[N, inputs]`.
    fn inputs(&mut self, trained: &Trained<'_>) -> String {
        let features = &trained.preprocess.features;
        let numbers: Option<Vec<(Option<f32>, f32, f32)>> = features
            .iter()
            .map(|feature| if let Coding::Number { fill, shift, scale } = feature.coding { Some((fill, shift, scale)) } else { None })
            .collect();
        if let Some(numbers) = numbers {
            self.graph.input.push(proto::value("X", FLOAT, Some(numbers.len())));
            return self.scaled("X".into(), &numbers);
        }
        let parts: Vec<String> = features
            .iter()
            .map(|feature| match &feature.coding {
                Coding::Number { fill, shift, scale } => {
                    self.graph.input.push(proto::value(&feature.column, FLOAT, Some(1)));
                    self.scaled(feature.column.clone(), &[(*fill, *shift, *scale)])
                }
                Coding::OneHot { words, gaps } => {
                    self.graph.input.push(proto::value(&feature.column, STRING, Some(1)));
                    self.one_hot(&feature.column, words, *gaps)
                }
                Coding::Embed { words, .. } => {
                    self.graph.input.push(proto::value(&feature.column, STRING, Some(1)));
                    let numbers = (1..=words.len()).map(|n| n as f32).collect();
                    let attributes = vec![
                        proto::strings("keys_strings", words),
                        proto::floats("values_floats", numbers),
                        proto::float("default_float", 0.0),
                    ];
                    self.node("LabelEncoder", &[&feature.column], attributes)
                }
            })
            .collect();
        self.node("Concat", &parts.iter().map(String::as_str).collect::<Vec<_>>(), vec![proto::int("axis", 1)])
    }

    /// `(x − shift)·scale`, with gaps filled before.
    fn scaled(&mut self, x: String, columns: &[(Option<f32>, f32, f32)]) -> String {
        let list = |of: fn(&(Option<f32>, f32, f32)) -> f32| columns.iter().map(of).collect::<Vec<f32>>();
        let mut x = x;
        if columns.iter().any(|column| column.0.is_some()) {
            let fill = self.floats(&[1, columns.len()], &list(|column| column.0.unwrap_or(f32::NAN)));
            let gaps = self.node("IsNaN", &[&x], vec![]);
            x = self.node("Where", &[&gaps, &fill, &x], vec![]);
        }
        let (shift, scale) = (list(|column| column.1), list(|column| column.2));
        if shift.iter().any(|&shift| shift != 0.0) {
            let shift = self.floats(&[1, columns.len()], &shift);
            x = self.node("Sub", &[&x, &shift], vec![]);
        }
        if scale.iter().any(|&scale| scale != 1.0) {
            let scale = self.floats(&[1, columns.len()], &scale);
            x = self.node("Mul", &[&x, &scale], vec![]);
        }
        x
    }

    fn one_hot(&mut self, column: &str, words: &[String], gaps: bool) -> String {
        let cube = self.node("OneHotEncoder", &[column], vec![proto::strings("cats_strings", words), proto::int("zeros", 1)]);
        let shape = self.whole(&[-1, words.len() as i64]);
        let hot = self.node("Reshape", &[&cube, &shape], vec![]);
        if !gaps {
            return hot;
        }
        let axis = self.whole(&[1]);
        let known = self.node("ReduceSum", &[&hot, &axis], vec![proto::int("keepdims", 1)]);
        let one = self.scalar(1.0);
        let unknown = self.node("Sub", &[&one, &known], vec![]);
        self.node("Concat", &[&hot, &unknown], vec![proto::int("axis", 1)])
    }

    fn dense(&mut self, dense: &Dense, x: &str) -> String {
        let weight = self.floats(&[dense.outputs, dense.inputs], &dense.weight);
        let across = vec![proto::int("transB", 1)];
        match &dense.bias {
            Some(bias) => {
                let bias = self.floats(&[dense.outputs], bias);
                self.node("Gemm", &[x, &weight, &bias], across)
            }
            None => self.node("Gemm", &[x, &weight], across),
        }
    }

    /// Columns of numbers as they are, and for each column of codes the vectors of a table.
    fn embed(&mut self, pieces: &[Piece], x: &str) -> String {
        let column = |graph: &mut Self, columns: Range<usize>| {
            let indices = graph.whole(&columns.map(|column| column as i64).collect::<Vec<_>>());
            graph.node("Gather", &[x, &indices], vec![proto::int("axis", 1)])
        };
        let part = |graph: &mut Self, piece: &Piece| match piece {
            Piece::Numbers(columns) => column(graph, columns.clone()),
            Piece::Vectors { column: at, width, vectors } => {
                let codes = column(graph, *at..at + 1);
                let axis = graph.whole(&[1]);
                let flat = graph.node("Squeeze", &[&codes, &axis], vec![]);
                let whole = graph.node("Cast", &[&flat], vec![proto::int("to", INT64.into())]);
                let table = graph.floats(&[vectors.len() / width, *width], vectors);
                graph.node("Gather", &[&table, &whole], vec![proto::int("axis", 0)])
            }
        };
        let parts: Vec<String> = pieces.iter().map(|piece| part(self, piece)).collect();
        self.node("Concat", &parts.iter().map(String::as_str).collect::<Vec<_>>(), vec![proto::int("axis", 1)])
    }

    fn steps(&mut self, steps: &[Step], mut x: String) -> String {
        for step in steps {
            x = match step {
                Step::Dense(dense) => self.dense(dense, &x),
                Step::Embed(pieces) => self.embed(pieces, &x),
                Step::Affine { scale, shift } => {
                    let (scale, shift) = (self.floats(&[scale.len()], scale), self.floats(&[shift.len()], shift));
                    let scaled = self.node("Mul", &[&x, &scale], vec![]);
                    self.node("Add", &[&scaled, &shift], vec![])
                }
                Step::LayerNorm { epsilon, scale, shift } => {
                    let (scale, shift) = (self.floats(&[scale.len()], scale), self.floats(&[shift.len()], shift));
                    let attributes = vec![proto::int("axis", -1), proto::float("epsilon", *epsilon)];
                    self.node("LayerNormalization", &[&x, &scale, &shift], attributes)
                }
                Step::Activation { name, formula } => match own(name) {
                    Some(op) => self.node(op, &[&x], vec![]),
                    None => self.expression(formula.folded(), &x),
                },
                Step::Softmax => self.node("Softmax", &[&x], vec![proto::int("axis", -1)]),
                Step::Residual { body, shortcut } => {
                    let skip = match shortcut {
                        Some(dense) => self.dense(dense, &x),
                        None => x.clone(),
                    };
                    let body = self.steps(body, x);
                    self.node("Add", &[&skip, &body], vec![])
                }
            };
        }
        x
    }

    /// An expression of `z`, node by node.
    fn expression(&mut self, node: &expr::Node, z: &str) -> String {
        let (op, arguments) = match node {
            expr::Node::Number(value) => return self.scalar(*value as f32),
            expr::Node::Value(_) => return z.to_string(),
            expr::Node::Call(op, arguments) => (*op, arguments.iter().map(|node| self.expression(node, z)).collect::<Vec<_>>()),
        };
        let a: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let truth = |graph: &mut Self, condition: String| graph.node("Cast", &[&condition], vec![proto::int("to", FLOAT.into())]);
        let simple = match op {
            Op::Negate => "Neg",
            Op::Add => "Add",
            Op::Subtract => "Sub",
            Op::Multiply => "Mul",
            Op::Divide => "Div",
            Op::Power => "Pow",
            Op::Abs => "Abs",
            Op::Sign => "Sign",
            Op::Exp => "Exp",
            Op::Ln => "Log",
            Op::Sqrt => "Sqrt",
            Op::Sin => "Sin",
            Op::Cos => "Cos",
            Op::Tan => "Tan",
            Op::Tanh => "Tanh",
            Op::Sigmoid => "Sigmoid",
            Op::Softplus => "Softplus",
            Op::Relu => "Relu",
            Op::Erf => "Erf",
            Op::Floor => "Floor",
            Op::Ceil => "Ceil",
            Op::Min => "Min",
            Op::Max => "Max",
            Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::Equal => {
                let name = match op {
                    Op::Less => "Less",
                    Op::LessEqual => "LessOrEqual",
                    Op::Greater => "Greater",
                    Op::GreaterEqual => "GreaterOrEqual",
                    _ => "Equal",
                };
                let condition = self.node(name, &a, vec![]);
                return truth(self, condition);
            }
            Op::NotEqual | Op::Not | Op::And | Op::Or => {
                // a truth is 1 or 0: and is a product, or the larger
                let nothing = self.scalar(0.0);
                let is: Vec<String> = match op {
                    Op::NotEqual => vec![self.node("Equal", &a, vec![])],
                    _ => a.iter().map(|x| self.node("Equal", &[x, &nothing], vec![])).collect(),
                };
                let condition = match (op, &is[..]) {
                    (Op::Not, [zero]) => zero.clone(),
                    (Op::NotEqual, [same]) => self.node("Not", &[same], vec![]),
                    (Op::And, [p, q]) => {
                        let either = self.node("Or", &[p, q], vec![]);
                        self.node("Not", &[&either], vec![])
                    }
                    (_, zeros) => {
                        let both = self.node("And", &zeros.iter().map(String::as_str).collect::<Vec<_>>(), vec![]);
                        self.node("Not", &[&both], vec![])
                    }
                };
                return truth(self, condition);
            }
            Op::If => {
                let nothing = self.scalar(0.0);
                let no = self.node("Equal", &[a[0], &nothing], vec![]);
                return self.node("Where", &[&no, a[2], a[1]], vec![]);
            }
            Op::Clamp => {
                let above = self.node("Max", &a[..2], vec![]);
                return self.node("Min", &[&above, a[2]], vec![]);
            }
            Op::Log2 | Op::Log10 => {
                let log = self.node("Log", &a, vec![]);
                let base = if op == Op::Log2 { std::f32::consts::LN_2 } else { std::f32::consts::LN_10 };
                let base = self.scalar(base);
                return self.node("Div", &[&log, &base], vec![]);
            }
            Op::FloorDivide | Op::Remainder => {
                let quotient = self.node("Div", &a, vec![]);
                let floor = self.node("Floor", &[&quotient], vec![]);
                if op == Op::FloorDivide {
                    return floor;
                }
                let whole = self.node("Mul", &[a[1], &floor], vec![]);
                return self.node("Sub", &[a[0], &whole], vec![]);
            }
        };
        self.node(simple, &a, vec![])
    }

    /// From the last layer's outputs to answers.
    fn answers(&mut self, answer: &Answer, x: String, outputs: usize) {
        match answer {
            Answer::Class { names, shares, .. } => {
                let name = if *shares == Shares::None { "scores" } else { "probabilities" };
                let columns = if *shares == Shares::Second { 2 } else { outputs };
                match shares {
                    Shares::None => self.node_to("Identity", &[&x], name, vec![]),
                    Shares::Softmax => self.node_to("Softmax", &[&x], name, vec![proto::int("axis", -1)]),
                    Shares::Each => self.node_to("Sigmoid", &[&x], name, vec![]),
                    Shares::Second => {
                        let second = self.node("Sigmoid", &[&x], vec![]);
                        let one = self.scalar(1.0);
                        let first = self.node("Sub", &[&one, &second], vec![]);
                        self.node_to("Concat", &[&first, &second], name, vec![proto::int("axis", 1)]);
                    }
                }
                let number = match outputs {
                    1 => {
                        let nothing = self.scalar(0.0);
                        let second = self.node("Greater", &[&x, &nothing], vec![]);
                        let number = self.node("Cast", &[&second], vec![proto::int("to", INT64.into())]);
                        let axis = self.whole(&[1]);
                        self.node("Squeeze", &[&number, &axis], vec![])
                    }
                    _ => self.node("ArgMax", &[&x], vec![proto::int("axis", 1), proto::int("keepdims", 0)]),
                };
                let classes = self.words(names);
                self.node_to("Gather", &[&classes, &number], "label", vec![proto::int("axis", 0)]);
                self.graph.output.push(proto::value("label", STRING, None));
                self.graph.output.push(proto::value(name, FLOAT, Some(columns)));
            }
            Answer::Values { columns, link, deviations } => {
                let half = columns.len();
                let unit = self.floats(&[1, half], &columns.iter().map(|value| value.unit).collect::<Vec<_>>());
                let shift = self.floats(&[1, half], &columns.iter().map(|value| value.shift).collect::<Vec<_>>());
                let part = |graph: &mut Self, from: usize| {
                    let at: Vec<i64> = (from..from + half).map(|i| i as i64).collect();
                    let at = graph.whole(&at);
                    graph.node("Gather", &[&x, &at], vec![proto::int("axis", 1)])
                };
                let means = if *deviations { part(self, 0) } else { x.clone() };
                let answer = match link {
                    Link::Identity => means,
                    Link::Sigmoid => self.node("Sigmoid", &[&means], vec![]),
                    Link::Exp => self.node("Exp", &[&means], vec![]),
                };
                let scaled = self.node("Mul", &[&answer, &unit], vec![]);
                if !deviations {
                    self.node_to("Add", &[&scaled, &shift], "predictions", vec![]);
                    return self.graph.output.push(proto::value("predictions", FLOAT, Some(half)));
                }
                let means = self.node("Add", &[&scaled, &shift], vec![]);
                let logarithms = part(self, half);
                let factor = self.scalar(0.5);
                let halved = self.node("Mul", &[&logarithms, &factor], vec![]);
                let deviation = self.node("Exp", &[&halved], vec![]);
                let deviation = self.node("Mul", &[&deviation, &unit], vec![]);
                // a mean and its deviation side by side
                let both = self.node("Concat", &[&means, &deviation], vec![proto::int("axis", 1)]);
                let order: Vec<i64> = (0..half as i64).flat_map(|i| [i, i + half as i64]).collect();
                let order = self.whole(&order);
                self.node_to("Gather", &[&both, &order], "predictions", vec![proto::int("axis", 1)]);
                self.graph.output.push(proto::value("predictions", FLOAT, Some(2 * half)));
            }
        }
    }
}

/// Activations that ONNX has an operation for; the others are written out.
fn own(name: &str) -> Option<&'static str> {
    [("relu", "Relu"), ("tanh", "Tanh"), ("sigmoid", "Sigmoid"), ("softplus", "Softplus")].iter().find(|row| row.0 == name).map(|row| row.1)
}
