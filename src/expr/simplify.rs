//! Operations on trees that come out short: constants folded, `x*0`, `x*1`, `x + 0`, `--x`, `x^1` and their like gone.

use super::node::{Node, Op};

/// A call, or the number it is when all its arguments are numbers.
pub(super) fn call(op: Op, arguments: Vec<Node>) -> Node {
    let mut numbers = [0.0; 3];
    for (i, argument) in arguments.iter().enumerate() {
        match argument {
            Node::Number(x) => numbers[i] = *x,
            _ => return Node::Call(op, arguments),
        }
    }
    Node::Number(flushed(op.of(numbers[0], numbers[1], numbers[2])))
}

/// Without what 32-bit numbers cannot hold (some devices take it for 0), and without the sign of 0.
fn flushed(x: f64) -> f64 {
    if x.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { x }
}

/// The tree with its constant parts worked out, and nothing else changed.
pub(super) fn fold(node: &Node) -> Node {
    match node {
        Node::Call(op, arguments) => call(*op, arguments.iter().map(fold).collect()),
        leaf => leaf.clone(),
    }
}

fn is(node: &Node, x: f64) -> bool {
    *node == Node::Number(x)
}

/// A product as its number and the rest of it, if there is any. The sign goes with the number.
fn split(node: Node) -> (f64, Option<Node>) {
    match node {
        Node::Number(x) => (x, None),
        Node::Call(Op::Negate, mut inner) if inner.len() == 1 => {
            let (x, rest) = split(inner.remove(0));
            (-x, rest)
        }
        Node::Call(Op::Multiply, mut inner) if inner.len() == 2 => {
            let ((x, a), (y, b)) = (split(inner.remove(0)), split(inner.remove(0)));
            (flushed(x * y), joined(a, b))
        }
        node => (1.0, Some(node)),
    }
}

/// The product, as it stands without parentheses: `(a*b)*c`.
fn joined(a: Option<Node>, b: Option<Node>) -> Option<Node> {
    match (a, b) {
        (Some(a), Some(Node::Call(Op::Multiply, mut inner))) if inner.len() == 2 => {
            let first = inner.remove(0);
            let left = joined(Some(a), Some(first))?;
            Some(Node::Call(Op::Multiply, vec![left, inner.remove(0)]))
        }
        (Some(a), Some(b)) => Some(Node::Call(Op::Multiply, vec![a, b])),
        (a, b) => a.or(b),
    }
}

/// The number times the rest.
fn scaled(x: f64, rest: Option<Node>) -> Node {
    match rest {
        Some(_) if x == 0.0 => Node::Number(0.0),
        Some(rest) if x == 1.0 => rest,
        Some(Node::Call(Op::Subtract, mut arguments)) if x == -1.0 => {
            arguments.reverse();
            Node::Call(Op::Subtract, arguments)
        }
        Some(rest) if x == -1.0 => Node::Call(Op::Negate, vec![rest]),
        Some(rest) => joined(Some(Node::Number(x)), Some(rest)).unwrap_or(Node::Number(x)),
        None => Node::Number(flushed(x)),
    }
}

/// `x` of what is `-x`.
fn negated(node: &Node) -> Option<Node> {
    let (x, rest) = split(node.clone());
    (x < 0.0).then(|| scaled(-x, rest))
}

pub(super) fn negate(a: Node) -> Node {
    let (x, rest) = split(a);
    scaled(-x, rest)
}

pub(super) fn add(a: Node, b: Node) -> Node {
    if is(&a, 0.0) {
        b
    } else if is(&b, 0.0) {
        a
    } else if let Some(b) = negated(&b) {
        subtract(a, b)
    } else if let (Some(a), false) = (negated(&a), matches!(a, Node::Number(_))) {
        subtract(b, a)
    } else if a == b {
        multiply(Node::Number(2.0), a)
    } else {
        call(Op::Add, vec![a, b])
    }
}

pub(super) fn subtract(a: Node, b: Node) -> Node {
    if is(&a, 0.0) {
        negate(b)
    } else if is(&b, 0.0) {
        a
    } else if let Some(b) = negated(&b) {
        add(a, b)
    } else if a == b {
        Node::Number(0.0)
    } else {
        call(Op::Subtract, vec![a, b])
    }
}

pub(super) fn multiply(a: Node, b: Node) -> Node {
    let ((x, a), (y, b)) = (split(a), split(b));
    scaled(flushed(x * y), joined(a, b))
}

pub(super) fn divide(a: Node, b: Node) -> Node {
    let (x, rest) = split(a);
    match (rest, b) {
        (rest, Node::Number(y)) if rest.is_none() || x.abs() != 1.0 || y.abs() == 1.0 => scaled(x / y, rest),
        (_, _) if x == 0.0 => Node::Number(0.0),
        (rest, b) => {
            let quotient = Node::Call(Op::Divide, vec![scaled(x.abs(), rest), b]);
            if x < 0.0 { negate(quotient) } else { quotient }
        }
    }
}

pub(super) fn power(a: Node, b: Node) -> Node {
    if is(&b, 0.0) {
        Node::Number(1.0)
    } else if is(&b, 1.0) {
        a
    } else {
        call(Op::Power, vec![a, b])
    }
}

pub(super) fn not(a: Node) -> Node {
    let flipped = |op| {
        Some(match op {
            Op::Less => Op::GreaterEqual,
            Op::LessEqual => Op::Greater,
            Op::Greater => Op::LessEqual,
            Op::GreaterEqual => Op::Less,
            Op::Equal => Op::NotEqual,
            Op::NotEqual => Op::Equal,
            _ => return None,
        })
    };
    match a {
        Node::Call(op, arguments) => match flipped(op) {
            Some(op) => Node::Call(op, arguments),
            None => call(Op::Not, vec![Node::Call(op, arguments)]),
        },
        a => call(Op::Not, vec![a]),
    }
}

/// Not `condition*a` where b is 0: what is not chosen may be infinite.
pub(super) fn choose(condition: Node, a: Node, b: Node) -> Node {
    match condition {
        Node::Number(x) => {
            if x != 0.0 {
                a
            } else {
                b
            }
        }
        _ if a == b => a,
        condition if condition.is_truth() && is(&a, 1.0) && is(&b, 0.0) => condition,
        condition if condition.is_truth() && is(&a, 0.0) && is(&b, 1.0) => not(condition),
        condition => Node::Call(Op::If, vec![condition, a, b]),
    }
}

/// What makes a constant part useless on a device: a number beyond 32 bits, or a division by 0. Looks at this node only.
pub(super) fn fault(node: &Node) -> Option<String> {
    let largest = f64::from(f32::MAX);
    match node {
        Node::Number(x) if x.is_nan() => {
            Some("this has no value: its arguments are outside of what the operation is defined for".to_string())
        }
        Node::Number(x) if x.is_infinite() => {
            Some("this is infinite: there is a division by 0, a logarithm of 0, or an overflow".to_string())
        }
        Node::Number(x) if x.abs() > largest => Some(format!("this is {x:.1e}: devices compute in 32 bits, up to 3.4e38")),
        Node::Call(Op::Divide | Op::FloorDivide | Op::Remainder, arguments) if arguments.last().is_some_and(|divisor| is(divisor, 0.0)) => {
            Some("this divides by 0".to_string())
        }
        _ => None,
    }
}

/// The first fault of a tree.
pub(super) fn first_fault(node: &Node) -> Option<String> {
    fault(node).or_else(|| node.arguments().iter().find_map(first_fault))
}
