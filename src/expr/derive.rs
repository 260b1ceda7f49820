//! The derivative of a tree, by the rules of calculus.

use super::node::{Node, Op};
use super::simplify::{add, call, choose, divide, multiply, negate, power, subtract};

/// The derivative with respect to a variable; `None` when it has more than `most` parts.
pub(super) fn derive(node: &Node, variable: usize, most: usize) -> Option<Node> {
    let slope = match node {
        Node::Number(_) => number(0.0),
        Node::Value(i) => number(if *i == variable { 1.0 } else { 0.0 }),
        Node::Call(op, arguments) => {
            let slopes = arguments.iter().map(|node| derive(node, variable, most)).collect::<Option<Vec<_>>>()?;
            if slopes.iter().all(|slope| *slope == number(0.0)) {
                return Some(number(0.0));
            }
            match (arguments.as_slice(), slopes.as_slice()) {
                ([a], [da]) => of_one(*op, a, da),
                ([a, b], [da, db]) => of_two(*op, a, b, da, db),
                ([a, b, c], [da, db, dc]) => of_three(*op, [a, b, c], [da, db, dc]),
                _ => number(0.0),
            }
        }
    };
    (slope.size() <= most).then_some(slope)
}

fn number(x: f64) -> Node {
    Node::Number(x)
}

fn one(op: Op, a: &Node) -> Node {
    call(op, vec![a.clone()])
}

fn two(op: Op, a: &Node, b: &Node) -> Node {
    call(op, vec![a.clone(), b.clone()])
}

fn of_one(op: Op, a: &Node, da: &Node) -> Node {
    let over = |divisor: Node| divide(da.clone(), divisor);
    let times = |factor: Node| multiply(factor, da.clone());
    match op {
        Op::Negate => negate(da.clone()),
        Op::Abs => times(one(Op::Sign, a)),
        Op::Exp => times(one(Op::Exp, a)),
        Op::Ln => over(a.clone()),
        Op::Log2 => over(multiply(number(std::f64::consts::LN_2), a.clone())),
        Op::Log10 => over(multiply(number(std::f64::consts::LN_10), a.clone())),
        Op::Sqrt => over(multiply(number(2.0), one(Op::Sqrt, a))),
        Op::Sin => times(one(Op::Cos, a)),
        Op::Cos => times(negate(one(Op::Sin, a))),
        Op::Tan => times(add(number(1.0), power(one(Op::Tan, a), number(2.0)))),
        Op::Tanh => times(subtract(number(1.0), power(one(Op::Tanh, a), number(2.0)))),
        Op::Sigmoid => times(multiply(one(Op::Sigmoid, a), subtract(number(1.0), one(Op::Sigmoid, a)))),
        Op::Softplus => times(one(Op::Sigmoid, a)),
        // 2/√π · e^(−a²)
        Op::Erf => {
            let bell = one(Op::Exp, &negate(power(a.clone(), number(2.0))));
            times(multiply(number(std::f64::consts::FRAC_2_SQRT_PI), bell))
        }
        Op::Relu => choose(two(Op::Greater, a, &number(0.0)), da.clone(), number(0.0)),
        // steps: flat wherever they have a slope
        _ => number(0.0),
    }
}

fn of_two(op: Op, a: &Node, b: &Node, da: &Node, db: &Node) -> Node {
    let (da, db) = (da.clone(), db.clone());
    match op {
        Op::Add => add(da, db),
        Op::Subtract => subtract(da, db),
        Op::Multiply => add(multiply(da, b.clone()), multiply(a.clone(), db)),
        // a'/b - a*b'/b²
        Op::Divide => {
            let second = divide(multiply(a.clone(), db), power(b.clone(), number(2.0)));
            subtract(divide(da, b.clone()), second)
        }
        // a - b*(a//b), where a//b is flat
        Op::Remainder => subtract(da, multiply(db, two(Op::FloorDivide, a, b))),
        Op::Power => of_power(a, b, da, db),
        Op::Min => choose(two(Op::Less, a, b), da, db),
        Op::Max => choose(two(Op::Greater, a, b), da, db),
        _ => number(0.0),
    }
}

/// `b*a^(b - 1)*a'` where b does not change, `a^b*ln(a)*b'` where a does not, else `a^b*(b'*ln(a) + b*a'/a)`.
fn of_power(a: &Node, b: &Node, da: Node, db: Node) -> Node {
    if db == number(0.0) {
        let less = power(a.clone(), subtract(b.clone(), number(1.0)));
        return multiply(multiply(b.clone(), less), da);
    }
    let itself = power(a.clone(), b.clone());
    if da == number(0.0) {
        return multiply(multiply(itself, one(Op::Ln, a)), db);
    }
    let sum = add(multiply(db, one(Op::Ln, a)), divide(multiply(b.clone(), da), a.clone()));
    multiply(itself, sum)
}

fn of_three(op: Op, [a, b, c]: [&Node; 3], [da, db, dc]: [&Node; 3]) -> Node {
    let (da, db, dc) = (da.clone(), db.clone(), dc.clone());
    match op {
        Op::If => choose(a.clone(), db, dc),
        Op::Clamp if db == number(0.0) && dc == db => {
            let inside = call(Op::And, vec![two(Op::GreaterEqual, a, b), two(Op::LessEqual, a, c)]);
            choose(inside, da, number(0.0))
        }
        Op::Clamp => {
            let above = two(Op::Greater, a, c);
            choose(above, dc, choose(two(Op::Less, a, b), db, da))
        }
        _ => number(0.0),
    }
}

/// Appends trees that are 0 where the tree may have a kink or a step.
pub(super) fn kinks(node: &Node, found: &mut Vec<Node>) {
    let arguments = node.arguments();
    arguments.iter().for_each(|argument| kinks(argument, found));
    let Node::Call(op, _) = node else { return };
    let condition = |a: &Node| (!a.is_truth()).then(|| a.clone());
    let steps = |a: Node| call(Op::Sin, vec![multiply(number(std::f64::consts::PI), a)]);
    match (op, arguments) {
        (Op::Abs | Op::Sign | Op::Relu, [a]) => found.push(a.clone()),
        (Op::Not, [a]) | (Op::If, [a, _, _]) => found.extend(condition(a)),
        (Op::And | Op::Or, [a, b]) => found.extend(condition(a).into_iter().chain(condition(b))),
        (Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::Equal | Op::NotEqual | Op::Min | Op::Max, [a, b]) => {
            found.push(subtract(a.clone(), b.clone()));
        }
        (Op::Clamp, [a, b, c]) => found.extend([subtract(a.clone(), b.clone()), subtract(a.clone(), c.clone())]),
        // at the whole numbers
        (Op::Floor | Op::Ceil, [a]) => found.push(steps(a.clone())),
        (Op::FloorDivide | Op::Remainder, [a, b]) => found.push(steps(divide(a.clone(), b.clone()))),
        _ => {}
    }
}
