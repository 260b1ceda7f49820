//! What the weights start from.

use super::choice::{Choice, Choices};
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::Result;
use crate::hyper::{Hyper, Range};
use crate::model::{Dist, Fan, Init, Scheme};
use std::sync::LazyLock;

const FANS: &[(&str, Fan)] = &[("in", Fan::In), ("out", Fan::Out), ("avg", Fan::Avg)];
const DISTS: &[(&str, Dist)] = &[("normal", Dist::Normal), ("uniform", Dist::Uniform)];
const SCHEMES: &[(&str, Scheme)] = &[("he", Scheme::He), ("xavier", Scheme::Xavier), ("lecun", Scheme::Lecun)];
const FAN: Key = Key::new("fan", "\"in\"", "what the variance is divided by: in, out or avg");
const DIST: Key = Key::new("dist", "\"normal\"", "what is drawn from: normal or uniform");
const GAIN: Hyper = Hyper { name: "gain", default: 1.0, range: Range::Positive, doc: "what the weights are multiplied by" };
const STD: Hyper = Hyper { name: "std", default: 0.1, range: Range::Positive, doc: "the deviation" };
const LIMIT: Hyper = Hyper { name: "limit", default: f64::NAN, range: Range::Positive, doc: "how far from 0 weights are at most" };
const VALUE: Hyper = Hyper { name: "value", default: f64::NAN, range: Range::Any, doc: "what all weights are" };

/// The initialisations: one row each.
pub(super) static INITS: LazyLock<Choices<Init>> = LazyLock::new(|| {
    let of = |name, hyper: &'static Hyper, make: fn(f64) -> Init| {
        Choice::new(name, vec![Key::of(hyper)], move |section| Ok(make(section.hyper(hyper)?)))
    };
    let scaled =
        SCHEMES.iter().map(|&(name, scheme)| Choice::new(name, vec![FAN, DIST, Key::of(&GAIN)], move |section| spread(section, scheme)));
    let mut rows = vec![Choice::new("auto", vec![], |_| Ok(Init::Auto))];
    rows.extend(scaled);
    rows.push(of("orthogonal", &GAIN, |gain| Init::Orthogonal { gain }));
    rows.push(of("normal", &STD, |std| Init::Normal { std }));
    rows.push(of("uniform", &LIMIT, |limit| Init::Uniform { limit }));
    rows.push(Choice::new("zeros", vec![], |_| Ok(Init::Zeros)));
    rows.push(of("constant", &VALUE, |value| Init::Constant { value }));
    Choices { type_key: Key::required("type", "\"he\"", "which initialisation"), common: vec![], rows }
});

fn spread(section: &Section<'_>, scheme: Scheme) -> Result<Init> {
    let (fan, dist) = (section.word("fan", FANS)?, section.word("dist", DISTS)?);
    Ok(Init::Scaled { scheme, fan, dist, gain: section.hyper(&GAIN)? })
}

pub(super) fn pairs(init: &Init) -> Pairs {
    let number = write::number;
    let (name, own) = match init {
        Init::Auto => (write::text("auto"), vec![]),
        Init::Zeros => (write::text("zeros"), vec![]),
        Init::Constant { value } => (write::text("constant"), vec![("value", number(*value))]),
        Init::Normal { std } => (write::text("normal"), vec![("std", number(*std))]),
        Init::Uniform { limit } => (write::text("uniform"), vec![("limit", number(*limit))]),
        Init::Orthogonal { gain } => (write::text("orthogonal"), vec![("gain", number(*gain))]),
        Init::Scaled { scheme, fan, dist, gain } => (
            write::word(SCHEMES, scheme),
            vec![("fan", write::word(FANS, fan)), ("dist", write::word(DISTS, dist)), ("gain", number(*gain))],
        ),
    };
    std::iter::once(("type", name)).chain(own).collect()
}
