//! One shader out of many: the kernels of a program as functions that a single workgroup calls one after the other, step after step.
//!
//! It works on the texts: what a kernel's entry point needs is kept and named apart, its buffers become those that all kernels share, its uniform becomes
//! constants. So the composed shader has the same formulas, loops and orders of sums as the kernels have alone.

use crate::exec::WHOLE_STEPS;
use crate::kernel::Field;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Invocations of the composed shader's workgroup: as many as the largest of the kernels have.
const INVOCATIONS: u32 = 256;

/// A kernel in its place.
pub(super) struct Phase<'a> {
    /// The kernel's module, and its entry point.
    pub(super) text: String,
    pub(super) entry: &'a str,
    /// Invocations of its workgroup, in x, y and z.
    pub(super) size: [u32; 3],
    /// Workgroups in x and y for one member.
    pub(super) groups: [u32; 2],
    /// The uniform.
    pub(super) fields: &'a [Field],
    pub(super) words: &'a [u32],
    /// The number of the buffer at each binding from 1 on.
    pub(super) buffers: Vec<usize>,
}

/// What was composed.
#[derive(Debug)]
pub(super) struct Composed {
    /// The module, with the entry point [`Composed::ENTRY`]. Binding 0 is a uniform: how many steps.
    pub(super) text: String,
    /// The numbers of the buffers at the bindings from 1 on.
    pub(super) buffers: Vec<usize>,
}

impl Composed {
    pub(super) const ENTRY: &'static str = WHOLE_STEPS;
}

/// Composes the phases of a step; `None` where one of them can't be a part: where it has workgroup memory but another size than all, wants a directive
/// or a built-in value that a part has not, or sees a buffer as something that the others do not.
pub(super) fn compose(phases: &[Phase<'_>], members: usize) -> Option<Composed> {
    let mut parts = Vec::new();
    for phase in phases {
        let module = Module::parse(&phase.text)?;
        let kept = module.needed_by(phase.entry)?;
        parts.push((phase, module, kept));
    }
    let mut shared = Shared::default();
    for (phase, module, kept) in &parts {
        shared.see(module, kept, phase)?;
    }
    let (mut functions, mut calls) = (String::new(), String::new());
    for (number, (phase, module, kept)) in parts.iter().enumerate() {
        functions += &shared.write(number, module, kept, phase)?;
        let _ = write!(calls, "        // {}\n{}", phase.entry, call(number, module, kept, phase, members)?);
    }
    let mut text = "@group(0) @binding(0) var<uniform> count: vec4<u32>;\n".to_string();
    let mut buffers: Vec<usize> = shared.buffers.keys().copied().collect();
    buffers.sort_unstable();
    for (i, number) in buffers.iter().enumerate() {
        let _ = writeln!(text, "@group(0) @binding({}) var<storage, read_write> buffer_{number}: {};", i + 1, shared.buffers[number]);
    }
    for (i, kind) in shared.workgroup.iter().enumerate() {
        let _ = writeln!(text, "var<workgroup> shared_{i}: {kind};");
    }
    let _ = write!(
        text,
        "{functions}
@compute @workgroup_size({INVOCATIONS})
fn {}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    for (var step = 0u; step < count.x; step += 1u) {{
{calls}    }}
}}
",
        Composed::ENTRY
    );
    Some(Composed { text, buffers })
}

/// How a phase is called by a workgroup: each of its own workgroups in turn, or several at once where they are small.
fn call(number: usize, module: &Module, kept: &[usize], phase: &Phase<'_>, members: usize) -> Option<String> {
    let ([wide, high, deep], [across, down]) = (phase.size, phase.groups);
    let (own, all) = (wide * high * deep, across * down);
    let exchanges = kept.iter().any(|&i| module.items[i].space() == Some("workgroup"));
    let entry = module.items.iter().find(|item| item.name == phase.entry)?;
    let arguments: Option<Vec<String>> = entry
        .builtins()?
        .iter()
        .map(|builtin| {
            let part = "vec3<u32>(part % WIDEu, part / WIDEu % HIGHu, part / (WIDEu * HIGHu))";
            let value = match builtin.as_str() {
                "workgroup_id" => "vec3<u32>(turn % ACROSSu, turn / ACROSSu, group.z)".to_string(),
                "num_workgroups" => format!("vec3<u32>(ACROSSu, DOWNu, {members}u)"),
                "local_invocation_index" => "part".to_string(),
                "local_invocation_id" => part.to_string(),
                "global_invocation_id" => {
                    format!("vec3<u32>(turn % ACROSSu * WIDEu, turn / ACROSSu * HIGHu, group.z * {deep}u) + {part}")
                }
                _ => return None,
            };
            let numbers = [("WIDE", wide), ("HIGH", high), ("ACROSS", across), ("DOWN", down)];
            Some(numbers.iter().fold(value, |value, (name, n)| value.replace(name, &n.to_string())))
        })
        .collect();
    let name = format!("phase_{number}_{}({})", phase.entry, arguments?.join(", "));
    let body = if own == INVOCATIONS {
        let again = if exchanges { " workgroupBarrier();" } else { "" };
        format!("        for (var turn = 0u; turn < {all}u; turn += 1u) {{ let part = lane; {name};{again} }}\n")
    } else if exchanges || !INVOCATIONS.is_multiple_of(own) {
        return None;
    } else {
        format!(
            "        for (var turn = lane / {own}u; turn < {all}u; turn += {}u) {{ let part = lane % {own}u; {name}; }}\n",
            INVOCATIONS / own
        )
    };
    // what one phase wrote the next one reads, and may lie in the same workgroup memory
    Some(body + "        storageBarrier();\n        workgroupBarrier();\n")
}

/// What all phases have in common.
#[derive(Default)]
struct Shared {
    /// The type of each buffer, by its number.
    buffers: HashMap<usize, String>,
    /// The types of workgroup memory: phases that want the same share it.
    workgroup: Vec<String>,
}

const NUMBERS: &str = "array<f32>";
const FOURS: &str = "array<vec4<f32>>";

impl Shared {
    /// Takes down what a phase sees its buffers and workgroup memory as.
    fn see(&mut self, module: &Module, kept: &[usize], phase: &Phase<'_>) -> Option<()> {
        for item in kept.iter().map(|&i| &module.items[i]) {
            let (kind, number) = match item.space()? {
                "storage" => (item.kind()?, *phase.buffers.get(item.binding()?.checked_sub(1)? as usize)?),
                "workgroup" => {
                    let kind = item.kind()?;
                    if !self.workgroup.contains(&kind) {
                        self.workgroup.push(kind);
                    }
                    continue;
                }
                _ => continue,
            };
            match self.buffers.get(&number) {
                // numbers are found among fours
                Some(known) if [known.as_str(), &kind] == [NUMBERS, FOURS] => drop(self.buffers.insert(number, kind)),
                Some(known) if *known == kind || [known.as_str(), &kind] == [FOURS, NUMBERS] => {}
                Some(_) => return None,
                None => drop(self.buffers.insert(number, kind)),
            }
        }
        Some(())
    }

    /// A phase's items, named apart.
    fn write(&self, number: usize, module: &Module, kept: &[usize], phase: &Phase<'_>) -> Option<String> {
        let mut names: HashMap<&str, Name> = HashMap::new();
        for item in kept.iter().map(|&i| &module.items[i]) {
            let apart = || format!("phase_{number}_{}", item.name);
            let name = match item.space()? {
                "storage" => {
                    let buffer = *phase.buffers.get(item.binding()?.checked_sub(1)? as usize)?;
                    let among_fours = item.kind()? == NUMBERS && self.buffers[&buffer] == FOURS;
                    Name { text: format!("buffer_{buffer}"), among_fours }
                }
                "workgroup" => {
                    let at = self.workgroup.iter().position(|kind| Some(kind) == item.kind().as_ref())?;
                    Name { text: format!("shared_{at}"), among_fours: false }
                }
                _ => Name { text: apart(), among_fours: false },
            };
            names.insert(&item.name, name);
        }
        let mut out = String::new();
        for item in kept.iter().map(|&i| &module.items[i]) {
            match item.space()? {
                "storage" | "workgroup" => {}
                "uniform" => {
                    let kind = &names[item.kind()?.as_str()].text;
                    let values: Option<Vec<String>> =
                        phase.fields.iter().zip(phase.words).map(|(field, &word)| literal(field, word)).collect();
                    let _ = writeln!(out, "var<private> {}: {kind} = {kind}({});", names[item.name.as_str()].text, values?.join(", "));
                }
                _ => {
                    rename(&item.tokens, item.is_struct(), &names, &mut out)?;
                    out.push('\n');
                }
            }
        }
        Some(out)
    }
}

/// A number of the uniform as WGSL has it.
fn literal(field: &Field, word: u32) -> Option<String> {
    let number = f32::from_bits(word);
    match field.wgsl {
        "u32" => Some(format!("{word}u")),
        // WGSL writes neither
        _ if !number.is_finite() => None,
        _ => Some(format!("{number:e}f")),
    }
}

/// What an item is called in the composed text.
struct Name {
    text: String,
    /// Whether it is a buffer of numbers that all see as fours of them.
    among_fours: bool,
}

/// Writes tokens with their names; attributes are left out.
fn rename(tokens: &[Token<'_>], is_struct: bool, names: &HashMap<&str, Name>, out: &mut String) -> Option<()> {
    let mut at = 0;
    while at < tokens.len() {
        let Token(text) = tokens[at];
        match text {
            "@" => {
                at += 2;
                if tokens.get(at) == Some(&Token("(")) {
                    at = closing(tokens, at)? + 1;
                }
                continue;
            }
            _ if !names.contains_key(text) => out.push_str(text),
            // a member, or the name of a field
            _ if at > 0 && tokens[at - 1] == Token(".") => out.push_str(text),
            _ if is_struct && tokens.get(at + 1) == Some(&Token(":")) => out.push_str(text),
            _ => {
                let name = &names[text];
                out.push_str(&name.text);
                if name.among_fours {
                    let end = closing(tokens, at + 1).filter(|_| tokens.get(at + 1) == Some(&Token("[")))?;
                    let mut index = String::new();
                    rename(&tokens[at + 2..end], false, names, &mut index)?;
                    let _ = write!(out, "[({index}) / 4u][({index}) % 4u]");
                    at = end;
                }
            }
        }
        at += 1;
    }
    Some(())
}

/// A word, a number, white space or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a>(&'a str);

impl Token<'_> {
    fn is_space(self) -> bool {
        self.0.trim().is_empty()
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let mut rest = line.split("//").next().unwrap_or_default();
        while let Some(first) = rest.chars().next() {
            let alike = |c: char| {
                let sort = |c: char| {
                    if c.is_alphanumeric() || c == '_' {
                        0
                    } else if c.is_whitespace() {
                        1
                    } else {
                        2
                    }
                };
                sort(c) == sort(first) && sort(c) < 2
            };
            let len = rest.find(|c| !alike(c)).unwrap_or(rest.len()).max(first.len_utf8());
            tokens.push(Token(&rest[..len]));
            rest = &rest[len..];
        }
        tokens.push(Token("\n"));
    }
    tokens
}

/// Where a bracket is closed.
fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.0 {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(i);
        }
    }
    None
}

/// A declaration of a module.
struct Item<'a> {
    name: String,
    tokens: Vec<Token<'a>>,
}

impl Item<'_> {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter(|token| !token.is_space()).map(|token| token.0)
    }

    fn is_struct(&self) -> bool {
        self.words().next() == Some("struct")
    }

    /// The address space of a variable; of anything else, nothing in particular.
    fn space(&self) -> Option<&str> {
        let words: Vec<&str> = self.words().collect();
        match words.iter().position(|&word| word == "var") {
            Some(at) if words.get(at + 1) == Some(&"<") && !words[..at].contains(&"fn") => words.get(at + 2).copied(),
            _ => Some(""),
        }
    }

    /// The type of a variable.
    fn kind(&self) -> Option<String> {
        let words: Vec<&str> = self.words().collect();
        let at = words.iter().position(|&word| word == ":")?;
        Some(words[at + 1..].iter().take_while(|&&word| word != ";").copied().collect::<String>().replace(',', ", "))
    }

    /// The number of a variable's binding.
    fn binding(&self) -> Option<u32> {
        let words: Vec<&str> = self.words().collect();
        let at = words.iter().position(|&word| word == "binding")?;
        words.get(at + 2)?.parse().ok()
    }

    /// The built-in values that an entry point takes, in order.
    fn builtins(&self) -> Option<Vec<String>> {
        let words: Vec<&str> = self.words().collect();
        let at = words.iter().position(|&word| word == "fn")?;
        let builtin = |i: usize| words.get(i + 2).map(|word| word.to_string());
        (at..words.len()).filter(|&i| words[i] == "builtin").map(builtin).collect()
    }
}

/// A module's declarations.
struct Module<'a> {
    items: Vec<Item<'a>>,
}

impl<'a> Module<'a> {
    /// Takes a text apart; `None` where it begins with directives.
    fn parse(text: &'a str) -> Option<Self> {
        let all = tokens(text);
        let (mut items, mut at) = (Vec::new(), 0);
        while at < all.len() {
            if all[at].is_space() {
                at += 1;
                continue;
            }
            let start = at;
            let mut name = None;
            while name.is_none() {
                match all.get(at)?.0 {
                    "@" => {
                        at += 2;
                        if all.get(at) == Some(&Token("(")) {
                            at = closing(&all, at)? + 1;
                        }
                    }
                    "fn" | "struct" | "const" => {
                        at += 2;
                        name = Some(all.get(at)?.0);
                    }
                    "var" => {
                        at += all[at..].iter().position(|token| *token == Token(">"))? + 2;
                        name = Some(all.get(at)?.0);
                    }
                    _ if all[at].is_space() => at += 1,
                    _ => return None,
                }
            }
            let is_block = all[start..at].iter().any(|token| matches!(token.0, "fn" | "struct"));
            let end = if is_block {
                closing(&all, at + all[at..].iter().position(|token| *token == Token("{"))?)?
            } else {
                at + all[at..].iter().position(|token| *token == Token(";"))?
            };
            items.push(Item { name: name?.to_string(), tokens: all[start..=end].to_vec() });
            at = end + 1;
            // a struct may end with a semicolon
            at += usize::from(all.get(at) == Some(&Token(";")));
        }
        Some(Module { items })
    }

    /// The declarations that an entry point needs, itself among them, in the order of the text. (A name may be declared more than once, for entry points
    /// that exclude each other: not among those of one.)
    fn needed_by(&self, entry: &str) -> Option<Vec<usize>> {
        let (mut needed, mut names, mut open) = (HashSet::new(), HashSet::new(), vec![entry]);
        while let Some(name) = open.pop() {
            if !names.insert(name) {
                continue;
            }
            for (i, item) in self.items.iter().enumerate().filter(|(_, item)| item.name == name) {
                needed.insert(i);
                // a uniform's struct has numbers only, whatever its fields are called
                if !item.is_struct() {
                    open.extend(item.words());
                }
            }
        }
        let mut needed: Vec<usize> = needed.into_iter().collect();
        needed.sort_unstable();
        needed.iter().any(|&i| self.items[i].name == entry).then_some(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::naga;

    const FIELDS: &[Field] = &[Field { name: "rows", wgsl: "u32" }, Field { name: "rate", wgsl: "f32" }];

    fn phase<'a>(text: &str, entry: &'a str, size: [u32; 3], buffers: &[usize]) -> Phase<'a> {
        // 7, and 0.5
        Phase { text: text.into(), entry, size, groups: [3, 1], fields: FIELDS, words: &[7, 0x3f00_0000], buffers: buffers.to_vec() }
    }

    const HALVE: &str = "// what it does
struct P { rows: u32, rate: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<u32>;
fn unused() { other[0]; }
fn rows(i: u32) -> bool { return i < p.rows; }
@compute @workgroup_size(64)
fn halve(@builtin(global_invocation_id) id: vec3<u32>) {
    if rows(id.x) { x[id.x + 1u] *= p.rate; } // to the end
}
";
    const SUM: &str = "struct P { rows: u32, rate: f32 }
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
var<workgroup> tree: array<f32, 256>;
@compute @workgroup_size(256)
fn sum(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
    tree[lane] = x[group.x].y;
    workgroupBarrier();
}
";

    #[test]
    fn phases_share_buffers_and_keep_to_themselves_otherwise() {
        let composed = compose(&[phase(HALVE, "halve", [64, 1, 1], &[0, 5]), phase(SUM, "sum", [256, 1, 1], &[5])], 2).unwrap();
        let wanted = "@group(0) @binding(0) var<uniform> count: vec4<u32>;
@group(0) @binding(1) var<storage, read_write> buffer_5: array<vec4<f32>>;
var<workgroup> shared_0: array<f32, 256>;
struct phase_0_P { rows: u32, rate: f32 }
var<private> phase_0_p: phase_0_P = phase_0_P(7u, 5e-1f);
fn phase_0_rows(i: u32) -> bool { return i < phase_0_p.rows; }

fn phase_0_halve( id: vec3<u32>) {
    if phase_0_rows(id.x) { buffer_5[(id.x + 1u) / 4u][(id.x + 1u) % 4u] *= phase_0_p.rate; } 
}

fn phase_1_sum( lane: u32,  group: vec3<u32>) {
    shared_0[lane] = buffer_5[group.x].y;
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn whole_steps(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    for (var step = 0u; step < count.x; step += 1u) {
        // halve
        for (var turn = lane / 64u; turn < 3u; turn += 4u) { let part = lane % 64u; phase_0_halve(vec3<u32>(turn % 3u * 64u, turn / 3u * 1u, group.z * 1u) + vec3<u32>(part % 64u, part / 64u % 1u, part / (64u * 1u))); }
        storageBarrier();
        workgroupBarrier();
        // sum
        for (var turn = 0u; turn < 3u; turn += 1u) { let part = lane; phase_1_sum(part, vec3<u32>(turn % 3u, turn / 3u, group.z)); workgroupBarrier(); }
        storageBarrier();
        workgroupBarrier();
    }
}
";
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(flat(&composed.text), flat(wanted));
        assert_eq!(composed.buffers, [5]);
        naga::front::wgsl::parse_str(&composed.text).map_err(|e| e.emit_to_string(&composed.text)).unwrap();
    }

    #[test]
    fn what_can_be_no_part_is_refused() {
        let sum = || phase(SUM, "sum", [256, 1, 1], &[5]);
        assert!(compose(&[sum()], 1).is_some());
        // workgroup memory, and fewer invocations
        assert!(compose(&[phase(SUM, "sum", [64, 1, 1], &[5])], 1).is_none());
        // one buffer as words and as numbers
        let words = SUM.replace("array<vec4<f32>>", "array<vec4<u32>>");
        assert!(compose(&[sum(), phase(&words, "sum", [256, 1, 1], &[5])], 1).is_none());
        // a directive, a value that only a subgroup has, no such entry point
        assert!(compose(&[phase(&format!("enable f16; {SUM}"), "sum", [256, 1, 1], &[5])], 1).is_none());
        assert!(compose(&[phase(&SUM.replace("workgroup_id", "subgroup_id"), "sum", [256, 1, 1], &[5])], 1).is_none());
        assert!(compose(&[phase(SUM, "total", [256, 1, 1], &[5])], 1).is_none());
        // a number that WGSL can't write
        let infinite = Phase { words: &[7, 0x7f80_0000], ..phase(HALVE, "halve", [64, 1, 1], &[0, 5]) };
        assert!(compose(&[infinite], 1).is_none());
    }

    #[test]
    fn every_kernel_is_a_part_but_those_of_64_invocations_that_exchange_sums() {
        let mut refused = Vec::new();
        for kernel in crate::kernels::all() {
            let variant = kernel.variants.iter().find(|v| !v.family.is_optional()).unwrap();
            let text = kernel.wgsl_of(std::slice::from_ref(variant), &crate::kernels::formulas());
            let module = naga::front::wgsl::parse_str(&text).unwrap();
            let size = module.entry_points.iter().find(|entry| entry.name == variant.entry).unwrap().workgroup_size;
            let case = (kernel.cases)().swap_remove(0);
            // binding 1 is the table of steps; more buffers than any has
            let phase = Phase {
                text,
                entry: variant.entry,
                size,
                groups: [2, 2],
                fields: kernel.fields,
                words: &case.words,
                buffers: (0..9).collect(),
            };
            match compose(&[phase], 3) {
                Some(Composed { text, .. }) => {
                    let module = naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text)).unwrap();
                    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
                    validator.validate(&module).map_err(|e| e.emit_to_string(&text)).unwrap();
                }
                None => refused.push(kernel.name),
            }
        }
        let exchanging = ["batch_stats", "batch_norm_gradient", "layer_norm", "layer_norm_delta", "layer_norm_gradient"];
        assert_eq!(refused, [&exchanging[..], &["flow_columns", "flow_chunks", "flow_layer"]].concat());
    }
}
