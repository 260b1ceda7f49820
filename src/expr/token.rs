//! The text of a formula, cut into tokens.

use super::ExprError;

/// A token and the column it begins at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) column: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Number(f64),
    /// A name, or one of the words `and`, `or` and `not`.
    Word(String),
    Sign(&'static str),
    End,
}

impl Kind {
    /// As a message quotes it.
    pub(super) fn quoted(&self) -> String {
        match self {
            Kind::Number(x) => format!("`{x:?}`").replace(".0`", "`"),
            Kind::Word(word) => format!("`{word}`"),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_string(),
        }
    }
}

/// Longer signs before those that they begin with.
const SIGNS: &[&str] = &["**", "//", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "^", "<", ">", "(", ")", ","];

/// What others write, and what it is here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("=", "compare with =="),
    ("&", "write and"),
    ("|", "write or between two conditions, abs(x) for |x|"),
    ("!", "write not"),
    ("?", "write if(condition, a, b)"),
    (":", "write if(condition, a, b)"),
    ("[", "use ( and )"),
    ("]", "use ( and )"),
    ("{", "use ( and )"),
    ("}", "use ( and )"),
    ("×", "write *"),
    ("·", "write *"),
    ("÷", "write /"),
    ("−", "write -"),
    ("²", "write ^2"),
    ("³", "write ^3"),
    ("√", "write sqrt(x)"),
    ("π", "write pi"),
    ("≤", "write <="),
    ("≥", "write >="),
    ("≠", "write !="),
    (".", "a number has digits before or after its point, and functions have no prefix"),
];

/// The tokens, with an end at the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExprError> {
    let characters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&first) = characters.get(at) {
        let rest = &characters[at..];
        let (kind, length) = if first.is_whitespace() {
            at += 1;
            continue;
        } else if first.is_ascii_digit() || first == '.' && rest.get(1).is_some_and(char::is_ascii_digit) {
            number(rest, at + 1)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let word: String = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
            let length = word.len();
            (Kind::Word(word), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.iter().copied().take(sign.len()).eq(sign.chars())) {
            (Kind::Sign(if *sign == "**" { "^" } else { sign }), sign.len())
        } else {
            let advice = ELSEWHERE.iter().find(|(sign, _)| sign.starts_with(first)).map_or_else(
                || "a formula is made of numbers, names, ( ) , and the signs + - * / // % ^ < <= > >= == !=".to_string(),
                |(_, advice)| advice.to_string(),
            );
            return Err(ExprError::new(at + 1, format!("`{}` has no meaning here: {advice}", first.escape_debug())));
        };
        tokens.push(Token { column: at + 1, kind });
        at += length;
    }
    tokens.push(Token { column: characters.len() + 1, kind: Kind::End });
    Ok(tokens)
}

/// `12`, `1.5`, `.5`, `1e-3`: the number and its length.
fn number(text: &[char], column: usize) -> Result<(Kind, usize), ExprError> {
    let digits = |from: usize| text[from.min(text.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut length = digits(0);
    if text.get(length) == Some(&'.') {
        length += 1 + digits(length + 1);
    }
    if matches!(text.get(length), Some('e' | 'E')) {
        let sign = usize::from(matches!(text.get(length + 1), Some('+' | '-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let written: String = text[..length].iter().collect();
    let fault = |what: &str| ExprError::new(column, format!("{written} {what}"));
    let x: f64 = written.parse().map_err(|_| fault("is not a number"))?;
    if x > f64::from(f32::MAX) {
        return Err(fault("is too large: devices compute in 32 bits, up to 3.4e38"));
    }
    if x > 0.0 && x < f64::from(f32::MIN_POSITIVE) {
        return Err(fault("is too small: devices compute in 32 bits, from 1.2e-38"));
    }
    Ok((Kind::Number(x), length))
}
