//! The grammar: from tokens to a tree, by precedence climbing.

use super::display::level;
use super::node::{CONSTANTS, FUNCTIONS, Node, Op};
use super::token::{Kind, Token, tokens};
use super::{ExprError, MAX_CHARACTERS, MAX_NESTING, simplify};

/// The words of the grammar that are no names.
const WORDS: &[&str] = &["and", "or", "not"];

/// The tree of a formula.
pub(super) fn parse(text: &str, variables: &[&str]) -> Result<Node, ExprError> {
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return Err(ExprError::new(MAX_CHARACTERS + 1, format!("the formula is longer than {MAX_CHARACTERS} characters: shorten it")));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0, variables };
    if parser.peek().kind == Kind::End {
        return Err(ExprError::new(1, format!("the formula is empty: write one of {}", list(variables))));
    }
    let tree = parser.expression(level::OR)?;
    let next = parser.peek();
    match next.kind {
        Kind::End => Ok(tree),
        Kind::Sign(")") => Err(next.fault("this ) closes nothing: take it away, or open a ( before it")),
        Kind::Sign(",") => Err(next.fault("a comma stands between the arguments of a function only; decimals have a point")),
        _ => Err(parser.missing_sign()),
    }
}

impl Token {
    fn fault(&self, message: impl Into<String>) -> ExprError {
        ExprError::new(self.column, message)
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    variables: &'a [&'a str],
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // the last token is the end, and is never passed
        &self.tokens[self.at]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is(&self, sign: &str) -> bool {
        match &self.peek().kind {
            Kind::Sign(found) => *found == sign,
            Kind::Word(word) => word == sign && WORDS.contains(&sign),
            _ => false,
        }
    }

    /// One step deeper, so that no input can exhaust the stack.
    fn nested<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, ExprError>) -> Result<R, ExprError> {
        if self.nesting == MAX_NESTING {
            let message = format!("the formula is nested more than {MAX_NESTING} deep: take it apart, or leave out parentheses");
            return Err(self.peek().fault(message));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    /// The operator that stands here, with its level.
    fn operator(&self) -> Option<(Op, u8)> {
        let found = match &self.peek().kind {
            Kind::Sign(sign) => *sign,
            Kind::Word(word) => word.as_str(),
            _ => return None,
        };
        Some(match found {
            "or" => (Op::Or, level::OR),
            "and" => (Op::And, level::AND),
            "<" => (Op::Less, level::COMPARE),
            "<=" => (Op::LessEqual, level::COMPARE),
            ">" => (Op::Greater, level::COMPARE),
            ">=" => (Op::GreaterEqual, level::COMPARE),
            "==" => (Op::Equal, level::COMPARE),
            "!=" => (Op::NotEqual, level::COMPARE),
            "+" => (Op::Add, level::ADD),
            "-" => (Op::Subtract, level::ADD),
            "*" => (Op::Multiply, level::MULTIPLY),
            "/" => (Op::Divide, level::MULTIPLY),
            "//" => (Op::FloorDivide, level::MULTIPLY),
            "%" => (Op::Remainder, level::MULTIPLY),
            "^" => (Op::Power, level::POWER),
            _ => return None,
        })
    }

    /// An expression whose operators all have at least the level `lowest`.
    fn expression(&mut self, lowest: u8) -> Result<Node, ExprError> {
        let mut left = self.operand(lowest)?;
        let mut compared = false;
        while let Some((op, level)) = self.operator().filter(|(_, level)| *level >= lowest) {
            let token = self.next();
            if level == level::COMPARE && std::mem::replace(&mut compared, true) {
                return Err(token.fault("comparisons can't be chained: write a < b and b < c"));
            }
            let right = match op {
                Op::Power => self.nested(|parser| parser.expression(level::NEGATE))?,
                _ => self.expression(level + 1)?,
            };
            left = build(&token, op, vec![left, right])?;
        }
        Ok(left)
    }

    /// What an expression begins with: an atom behind its `-` or `not`.
    fn operand(&mut self, lowest: u8) -> Result<Node, ExprError> {
        if self.is("-") {
            let token = self.next();
            return match self.nested(|parser| parser.expression(level::NEGATE))? {
                Node::Number(x) => Ok(Node::Number(if x == 0.0 { 0.0 } else { -x })),
                node => build(&token, Op::Negate, vec![node]),
            };
        }
        if self.is("not") {
            let token = self.next();
            if lowest > level::NOT {
                return Err(token.fault("put this `not` and what belongs to it in parentheses: (not x)"));
            }
            let node = self.nested(|parser| parser.expression(level::NOT))?;
            return build(&token, Op::Not, vec![node]);
        }
        let token = self.next();
        match &token.kind {
            Kind::Number(x) => Ok(Node::Number(*x)),
            Kind::Word(word) if !WORDS.contains(&word.as_str()) => self.name(&token, word),
            Kind::Sign("(") => {
                let node = self.nested(|parser| parser.expression(level::OR))?;
                self.close(&token)?;
                Ok(node)
            }
            Kind::End => Err(token.fault("the formula ends where a number, a name or ( must follow")),
            kind => Err(token.fault(format!("a number, a name or ( must stand here, not {}", kind.quoted()))),
        }
    }

    /// A variable, a constant, or a function with its arguments.
    fn name(&mut self, token: &Token, name: &str) -> Result<Node, ExprError> {
        let called = self.is("(");
        if let Some(i) = self.variables.iter().position(|variable| *variable == name) {
            return self.not_called(token, name, Node::Value(i));
        }
        if let Some((_, x)) = CONSTANTS.iter().find(|row| row.0 == name) {
            return self.not_called(token, name, Node::Number(*x));
        }
        let Some(&(_, op, wanted)) = FUNCTIONS.iter().find(|row| row.0 == name) else {
            return Err(token.fault(self.unknown(name, called)));
        };
        if !called {
            return Err(token.fault(format!("`{name}` is a function: write {}", usage(name, wanted))));
        }
        let open = self.next();
        let mut arguments = Vec::new();
        if !self.is(")") {
            arguments.push(self.nested(|parser| parser.expression(level::OR))?);
            while self.is(",") {
                self.next();
                arguments.push(self.nested(|parser| parser.expression(level::OR))?);
            }
        }
        self.close(&open)?;
        if arguments.len() != wanted {
            let number = arguments.len();
            let nest = match (name, number) {
                ("min" | "max", 3..) => format!(", or one in the other: {name}(a, {name}(b, c))"),
                _ => String::new(),
            };
            return Err(token.fault(format!("`{name}` was given {}: write {}{nest}", counted(number), usage(name, wanted))));
        }
        build(token, op, arguments)
    }

    /// A variable or a constant, and no ( behind it.
    fn not_called(&self, token: &Token, name: &str, node: Node) -> Result<Node, ExprError> {
        if self.is("(") { Err(token.fault(format!("`{name}` is not a function: for a product write {name}*(…)"))) } else { Ok(node) }
    }

    fn close(&mut self, open: &Token) -> Result<(), ExprError> {
        if self.is(")") {
            self.next();
            return Ok(());
        }
        match self.peek().kind {
            Kind::End => Err(open.fault("this ( is never closed: add the ) that belongs to it")),
            Kind::Sign(",") => Err(self.peek().fault("a comma stands between the arguments of a function only; decimals have a point")),
            _ => Err(self.missing_sign()),
        }
    }

    /// Two operands side by side.
    fn missing_sign(&self) -> ExprError {
        let token = self.peek();
        token.fault(format!("an operator must stand before {}; a product is written with *", token.kind.quoted()))
    }

    fn unknown(&self, name: &str, called: bool) -> String {
        let functions = || FUNCTIONS.iter().map(|row| row.0);
        let names = || self.variables.iter().copied().chain(CONSTANTS.iter().map(|row| row.0));
        let candidates: Vec<&str> =
            if called { functions().collect() } else { names().chain(functions()).chain(WORDS.iter().copied()).collect() };
        let meant = nearest(name, &candidates).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        if called {
            format!("unknown function `{name}`{meant} (functions: {})", functions().collect::<Vec<_>>().join(", "))
        } else {
            format!("unknown name `{name}`{meant} (names: {})", list(&names().collect::<Vec<_>>()))
        }
    }
}

/// A call, unless its numbers come to something that no device can hold.
fn build(token: &Token, op: Op, arguments: Vec<Node>) -> Result<Node, ExprError> {
    let folded: Vec<Node> = arguments.iter().map(simplify::fold).collect();
    match simplify::fault(&simplify::call(op, folded)) {
        Some(fault) => Err(token.fault(fault)),
        None => Ok(Node::Call(op, arguments)),
    }
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

fn counted(arguments: usize) -> String {
    match arguments {
        0 => "no arguments".to_string(),
        1 => "1 argument".to_string(),
        n => format!("{n} arguments"),
    }
}

/// `min(a, b)`.
fn usage(name: &str, arguments: usize) -> String {
    let arguments = match (name, arguments) {
        ("if", _) => "condition, a, b",
        (_, 1) => "x",
        (_, 2) => "a, b",
        _ => "x, low, high",
    };
    format!("{name}({arguments})")
}

/// The candidate that a word was meant to be: a third of its letters may be wrong, and capitals do not count.
fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = (word.len() / 3).max(1);
    let distances = candidates.iter().map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), *candidate));
    distances.filter(|&(distance, candidate)| distance <= near && distance < candidate.len()).min_by_key(|pair| pair.0).map(|pair| pair.1)
}

/// How many letters must be changed, put in, taken out or swapped with their neighbours (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
