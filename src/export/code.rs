//! What the sources in Rust and in WGSL have in common: expressions and lists of numbers.

use crate::expr::{Node, Op};

/// Numbers as literals, some on a line; `kind` stands behind each.
pub(super) fn numbers(values: &[f32], indent: &str, kind: &str) -> String {
    let lines = values.chunks(16).map(|line| {
        let line: Vec<String> = line.iter().map(|value| format!("{value:?}{kind}")).collect();
        format!("{indent}{},\n", line.join(", "))
    });
    lines.collect()
}

/// A tree as text: `call` writes an operation on the texts of its arguments.
pub(super) fn text(node: &Node, number: &impl Fn(f64) -> String, call: &impl Fn(Op, &[String]) -> String) -> String {
    match node {
        Node::Number(x) => number(*x),
        Node::Value(_) => "z".to_string(),
        Node::Call(op, arguments) => call(*op, &arguments.iter().map(|node| text(node, number, call)).collect::<Vec<_>>()),
    }
}
