//! A tree as a list of instructions on a few cells, so that evaluating it neither allocates nor recurses.

use super::node::{Node, Op};
use crate::kernel::Real;

/// Results that wait for the rest of the expression. The arguments that need most cells come first, so that a tree of n leaves, no call
/// with more than three arguments, needs at most 2 log₃ n + 1 of them: 16 for the largest that is allowed.
const CELLS: usize = 16;

/// An expression, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program {
    code: Vec<Instruction>,
    result: Source,
}

/// `cell[to] = op(…)`.
#[derive(Debug, Clone, PartialEq)]
struct Instruction {
    op: Op,
    to: usize,
    from: [Source; 3],
}

/// Where an argument is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Number(f64),
    Value(usize),
    Cell(usize),
}

impl Program {
    /// The program of a tree; `None` when it needs too many cells.
    pub(super) fn of(tree: &Node) -> Option<Self> {
        let mut program = Program { code: Vec::new(), result: Source::Number(0.0) };
        program.result = program.compile(tree, 0);
        program.code.iter().all(|instruction| instruction.to < CELLS).then_some(program)
    }

    /// Appends what works out a node with the cells from `free` on.
    fn compile(&mut self, node: &Node, free: usize) -> Source {
        let (op, arguments) = match node {
            Node::Number(x) => return Source::Number(*x),
            Node::Value(i) => return Source::Value(*i),
            Node::Call(op, arguments) => (*op, arguments),
        };
        let mut order: Vec<usize> = (0..arguments.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(cells(&arguments[i])));
        let (mut from, mut next) = ([Source::Number(0.0); 3], free);
        for i in order {
            from[i] = self.compile(&arguments[i], next);
            next += usize::from(from[i] == Source::Cell(next));
        }
        self.code.push(Instruction { op, to: free, from });
        Source::Cell(free)
    }

    /// The value for these values of the variables.
    pub(super) fn run<T: Real>(&self, values: &[T]) -> T {
        let mut cells = [T::zero(); CELLS];
        let read = |cells: &[T; CELLS], source: Source| match source {
            // never none: every constant is within 32 bits
            Source::Number(x) => T::from(x).unwrap_or_else(T::nan),
            Source::Value(i) => values[i],
            Source::Cell(i) => cells[i],
        };
        for instruction in &self.code {
            let [a, b, c] = instruction.from.map(|source| read(&cells, source));
            cells[instruction.to] = instruction.op.of(a, b, c);
        }
        read(&cells, self.result)
    }
}

/// How many cells a node needs: those of its arguments, one after the other, while the earlier results wait.
fn cells(node: &Node) -> usize {
    let mut needs: Vec<usize> = node.arguments().iter().map(cells).collect();
    needs.sort_unstable_by_key(|&need| std::cmp::Reverse(need));
    let most = needs.iter().enumerate().map(|(i, need)| if *need > 0 { need + i } else { 0 }).max();
    most.map_or(0, |most| most.max(1))
}
