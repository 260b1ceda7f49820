//! The shapes of the kernel, and its text for each.

use super::job::{Job, MAX_NORM};

/// A shape of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    text: &'static str,
    /// The size of the subgroups that it needs.
    pub(crate) lanes: Option<u32>,
    /// Invocations of a workgroup.
    pub(crate) size: u32,
    /// The block of W₁ that an invocation owns: units, and groups of four inputs.
    units: u32,
    cols: u32,
    /// Groups of four of what else is learned that it owns at most.
    extras: u32,
    /// Iterations of all loops of a step.
    pub(crate) loops: u64,
}

/// Lines of the text that are marked so are those of shapes whose name begins so.
const MARKS: [&str; 2] = ["rows", "weights"];

/// All shapes.
pub(crate) static SHAPES: &[Shape] = &[
    direct("rows 64", 64, [4, 2, 2]),
    direct("rows 128", 128, [4, 1, 1]),
    direct("rows 256", 256, [2, 1, 1]),
    direct("weights 64", 64, [4, 2, 2]),
    direct("weights 128", 128, [4, 1, 1]),
    direct("weights 256", 256, [2, 1, 1]),
    lanes("lanes 16", 16),
    lanes("lanes 32", 32),
    lanes("lanes 64", 64),
];

/// Every invocation for itself.
const fn direct(name: &'static str, size: u32, [units, cols, extras]: [u32; 3]) -> Shape {
    // rows brought, a₁, z, ∂W₂ and ∂b₂, δ₁, ∂W₁, the norm, and the loop over steps
    let loops = 512u32.div_ceil(size) as u64
        + 16
        + 9 * 96u32.div_ceil(size) as u64
        + 32 * extras as u64
        + 256u32.div_ceil(size) as u64
        + 32
        + (size / 16) as u64
        + 16
        + 1;
    Shape { name, text: include_str!("direct.wgsl"), lanes: None, size, units, cols, extras, loops }
}

/// By subgroups of eight.
const fn lanes(name: &'static str, size: u32) -> Shape {
    // a₁, z, ∂W₁, ∂W₂, and the loop over steps
    let loops = 16 + 32u32.div_ceil(size) as u64 + 4 + 16 + 1;
    Shape { name, text: include_str!("lanes.wgsl"), lanes: Some(8), size, units: 512 / size, cols: 1, extras: 0, loops }
}

impl Shape {
    /// Its text for a job: marked lines kept or left out, a line with a hole like `{u}` once for each number that it stands for (`{u/4}` and `{u%4}` are made
    /// of the same), words like SIZE filled in, and what else the kernel knows of the job as constants behind it.
    pub(crate) fn wgsl(&self, job: &Job) -> String {
        let &Shape { size, units, cols, extras, .. } = self;
        // rows of a tile of a₁, of all invocations that have the same units: of one, and of a subgroup
        let (down, high) = (256 / size, 512 / size);
        let words =
            [("SIZE", size), ("UNITS", units), ("COLS", cols), ("DOWN", down), ("HIGH", high)].map(|(word, n)| (word.to_string(), n));
        let holes = [
            ("u", units),
            ("c", cols),
            ("e", extras),
            ("d", down),
            ("r", high),
            ("t", high / 8),
            ("f", units / 4),
            ("s", size / 8),
            // outputs, groups of four of them, groups of four hidden units, lanes
            ("j", 10),
            ("y", 3),
            ("k", 8),
            ("i", 8),
        ];
        let mut out = String::new();
        for line in self.text.lines().filter_map(|line| self.unmarked(line)) {
            let lines = holes.iter().fold(vec![line.to_string()], |lines, &(hole, count)| repeat(lines, hole, count));
            lines.iter().for_each(|line| out += &(put(line, &words) + "\n"));
        }
        let at = |name: &str| job.compiled.tensors.iter().find(|tensor| tensor.name == name).map_or(0, |tensor| tensor.offset as u32 / 4);
        let places = [
            ("ARENA4", job.compiled.arena as u32 / 4),
            ("B1", at("0.bias")),
            ("W2", at("2.weight")),
            ("B2", at("2.bias")),
            ("NONE", u32::MAX),
            ("ORDER", (job.order.len() / job.members) as u32),
            ("MEMBERS", job.members as u32),
        ];
        let numbers = [("MAX_NORM", MAX_NORM), ("BETA1", 0.9), ("BETA2", 0.999), ("EPSILON", 1e-8)];
        places.iter().for_each(|(name, value)| out += &format!("const {name} = {value}u;\n"));
        numbers.iter().for_each(|(name, value)| out += &format!("const {name} = {value:?}f;\n"));
        out
    }

    /// A line without its mark, where it is one of this shape's.
    fn unmarked<'a>(&self, line: &'a str) -> Option<&'a str> {
        match line.trim_start().strip_prefix('?').and_then(|rest| rest.split_once(' ')) {
            None => Some(line),
            Some((mark, rest)) if MARKS.contains(&mark) => self.name.starts_with(mark).then_some(rest),
            Some((units, rest)) => (units == self.units.to_string()).then_some(rest),
        }
    }
}

/// The lines, those with the hole once for each number.
fn repeat(lines: Vec<String>, hole: &str, count: u32) -> Vec<String> {
    let forms =
        |n: u32| [("", n), ("/4", n / 4), ("%4", n % 4), ("/8", n / 8), ("%8", n % 8)].map(|(form, n)| (format!("{{{hole}{form}}}"), n));
    let has = |line: &String| forms(0).iter().any(|(form, _)| line.contains(form));
    let times = |line: String| if has(&line) { (0..count).map(|n| put(&line, &forms(n))).collect() } else { vec![line] };
    lines.into_iter().flat_map(times).collect()
}

/// The line with numbers in the place of words.
fn put(line: &str, words: &[(String, u32)]) -> String {
    words.iter().fold(line.to_string(), |line, (word, n)| line.replace(word, &n.to_string()))
}
