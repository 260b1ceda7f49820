//! An expression as text, with no more parentheses than its grammar needs.

use super::node::{CONSTANTS, FUNCTIONS, Node, Op};
use std::fmt;

/// How tightly the text of a node binds. The grammar's levels.
pub(super) mod level {
    pub(crate) const OR: u8 = 1;
    pub(crate) const AND: u8 = 2;
    pub(crate) const NOT: u8 = 3;
    pub(crate) const COMPARE: u8 = 4;
    pub(crate) const ADD: u8 = 5;
    pub(crate) const MULTIPLY: u8 = 6;
    pub(crate) const NEGATE: u8 = 7;
    pub(crate) const POWER: u8 = 8;
    pub(crate) const ATOM: u8 = 9;
}

/// The sign between two operands as it is printed, its level, and the lowest levels that stand left and right of it without parentheses.
fn infix(op: Op) -> Option<(&'static str, u8, u8, u8)> {
    use level::*;
    Some(match op {
        Op::Or => (" or ", OR, OR, AND),
        Op::And => (" and ", AND, AND, NOT),
        Op::Less => (" < ", COMPARE, ADD, ADD),
        Op::LessEqual => (" <= ", COMPARE, ADD, ADD),
        Op::Greater => (" > ", COMPARE, ADD, ADD),
        Op::GreaterEqual => (" >= ", COMPARE, ADD, ADD),
        Op::Equal => (" == ", COMPARE, ADD, ADD),
        Op::NotEqual => (" != ", COMPARE, ADD, ADD),
        Op::Add => (" + ", ADD, ADD, MULTIPLY),
        Op::Subtract => (" - ", ADD, ADD, MULTIPLY),
        Op::Multiply => ("*", MULTIPLY, MULTIPLY, NEGATE),
        Op::Divide => ("/", MULTIPLY, MULTIPLY, NEGATE),
        Op::FloorDivide => ("//", MULTIPLY, MULTIPLY, NEGATE),
        Op::Remainder => ("%", MULTIPLY, MULTIPLY, NEGATE),
        Op::Power => ("^", POWER, ATOM, NEGATE),
        _ => return None,
    })
}

/// A tree with the names of its variables.
pub(super) struct Text<'a>(pub(super) &'a Node, pub(super) &'a [&'a str]);

impl Text<'_> {
    fn level(&self) -> u8 {
        match self.0 {
            Node::Number(x) if *x < 0.0 => level::NEGATE,
            Node::Number(_) | Node::Value(_) => level::ATOM,
            Node::Call(Op::Negate, _) => level::NEGATE,
            Node::Call(Op::Not, _) => level::NOT,
            Node::Call(op, _) => infix(*op).map_or(level::ATOM, |(_, level, _, _)| level),
        }
    }

    fn within(&self, f: &mut fmt::Formatter<'_>, node: &Node, lowest: u8) -> fmt::Result {
        let text = Text(node, self.1);
        if text.level() < lowest { write!(f, "({text})") } else { write!(f, "{text}") }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Number(x) => number(f, *x),
            Node::Value(i) => f.write_str(self.1[*i]),
            Node::Call(op, arguments) => match (op, infix(*op), arguments.as_slice()) {
                (_, Some((sign, _, left, right)), [a, b]) => {
                    self.within(f, a, left)?;
                    f.write_str(sign)?;
                    self.within(f, b, right)
                }
                (Op::Negate, _, [a]) => {
                    f.write_str("-")?;
                    self.within(f, a, level::NEGATE)
                }
                (Op::Not, _, [a]) => {
                    f.write_str("not ")?;
                    self.within(f, a, level::NOT)
                }
                _ => {
                    let name = FUNCTIONS.iter().find(|row| row.1 == *op).map_or("?", |row| row.0);
                    write!(f, "{name}(")?;
                    for (i, argument) in arguments.iter().enumerate() {
                        write!(f, "{}{}", if i > 0 { ", " } else { "" }, Text(argument, self.1))?;
                    }
                    f.write_str(")")
                }
            },
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, x: f64) -> fmt::Result {
    if let Some((name, _)) = CONSTANTS.iter().find(|row| row.1 == x.abs()) {
        write!(f, "{}{name}", if x < 0.0 { "-" } else { "" })
    } else if x == x.trunc() && x.abs() < 1e15 {
        write!(f, "{x}")
    } else {
        // the shortest digits that are this number, with an exponent where that is shorter
        write!(f, "{x:?}")
    }
}
