//! Unrolls the register tiles of a WGSL template: WGSL has no arrays in registers, so every accumulator is a variable of its own.

use super::by_row::Source;
use crate::kernel::{Family, Variant};

/// Which way an operand of a matrix product lies in memory, as `shaders/dense_shared.wgsl` calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lies {
    /// A row of it is a row of the tile: neighbours in memory are neighbours along k.
    Along,
    /// A row of it is one k: neighbours in memory are neighbours across the tile.
    Across,
}

/// The tiles that a dense layer's products come in.
macro_rules! tiles {
    ($name:literal) => {
        &[
            Variant { entry: concat!($name, "_4x4"), tile: [4, 4], family: Family::Direct },
            Variant { entry: concat!($name, "_8x8"), tile: [8, 8], family: Family::Direct },
            Variant { entry: concat!($name, "_8x16"), tile: [16, 8], family: Family::Software },
            Variant { entry: concat!($name, "_shared_32x32"), tile: [4, 4], family: Family::Shared([32, 32]) },
            Variant { entry: concat!($name, "_shared_64x64"), tile: [8, 8], family: Family::Shared([64, 64]) },
            Variant { entry: concat!($name, "_shared_128x128"), tile: [8, 8], family: Family::Shared([128, 128]) },
            Variant { entry: concat!($name, "_subgroup_8"), tile: [4, 32], family: Family::Subgroup(8) },
            Variant { entry: concat!($name, "_half_32x32"), tile: [4, 4], family: Family::SharedHalf([32, 32]) },
            Variant { entry: concat!($name, "_half_64x64"), tile: [4, 8], family: Family::SharedHalf([64, 64]) },
            Variant { entry: concat!($name, "_half_128x128"), tile: [8, 8], family: Family::SharedHalf([128, 128]) },
            Variant::cooperative(concat!($name, "_cooperative_16_32_32x32"), 16, 32, [32, 32]),
            Variant::cooperative(concat!($name, "_cooperative_16_32_64x64"), 16, 32, [64, 64]),
            Variant::cooperative(concat!($name, "_cooperative_16_32_128x128"), 16, 32, [128, 128]),
            Variant::cooperative(concat!($name, "_cooperative_8_32_32x32"), 8, 32, [32, 32]),
            Variant::cooperative(concat!($name, "_cooperative_8_32_64x64"), 8, 32, [64, 64]),
            Variant::cooperative(concat!($name, "_cooperative_8_8_32x32"), 8, 8, [32, 32]),
            Variant::cooperative(concat!($name, "_cooperative_8_8_64x64"), 8, 8, [64, 64]),
            Variant::cooperative(concat!($name, "_cooperative_8_8_128x128"), 8, 8, [128, 128]),
        ]
    };
}
pub(crate) use tiles;

/// What the tiles of many invocations ask of a product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands {
    /// How the left operand lies.
    pub(crate) left: Lies,
    /// How the right operand lies.
    pub(crate) right: Lies,
    /// Whether the sums of the left operand over k are wanted too.
    pub(crate) sums: bool,
    /// Whether the left operand is an error, which is scaled before it is rounded to f16.
    pub(crate) scaled: bool,
    /// Where x comes from.
    pub(crate) source: Source,
}

/// The WGSL of a matrix product: the kernel's own file with the direct tiles unrolled, behind it those of many invocations.
pub(crate) fn dense(name: &str, text: &str, variants: &[Variant], operands: Operands) -> String {
    let direct = variants.iter().filter(|v| matches!(v.family, Family::Direct | Family::Software));
    let marks = [
        ("?batch ", operands.source == Source::Batch),
        ("?data ", operands.source != Source::Batch),
        ("?numbers ", operands.source != Source::Bytes),
        ("?bytes ", operands.source == Source::Bytes),
    ];
    let text = marks.iter().fold(text.replace("NAME", name), |text, (mark, wanted)| only(&text, mark, *wanted));
    let mut out = expand(&text, direct, operands);
    let lies = |lies| match lies {
        Lies::Along => "along",
        Lies::Across => "across",
    };
    let of = |wanted: fn(Family) -> bool| variants.iter().filter(|v| wanted(v.family)).collect::<Vec<_>>();
    let shared = of(|family| matches!(family, Family::Shared(_) | Family::SharedHalf(_)));
    let subgroup = of(|family| matches!(family, Family::Subgroup(_)));
    let cooperative = of(|family| matches!(family, Family::Cooperative { .. }));
    // those that are cooperative bring their operands by the functions that the shared ones have
    let functions = !shared.is_empty() || !cooperative.is_empty();
    for (text, wanted, variants) in [
        (include_str!("../../shaders/dense_shared.wgsl"), functions, shared),
        (include_str!("../../shaders/dense_subgroup.wgsl"), !subgroup.is_empty(), subgroup),
        (include_str!("../../shaders/dense_cooperative.wgsl"), !cooperative.is_empty(), cooperative),
    ] {
        if wanted {
            let text = only(text, "?sums ", operands.sums);
            let text = text.replace("NAME", name).replace("LEFT", lies(operands.left)).replace("RIGHT", lies(operands.right));
            out += &expand(&text, variants.into_iter(), operands);
        }
    }
    // on the first line, so that line numbers in messages are the file's
    let has = |wanted: fn(Family) -> bool| variants.iter().any(|v| wanted(v.family));
    let matrices = if has(|family| matches!(family, Family::Cooperative { .. })) { "enable wgpu_cooperative_matrix; " } else { "" };
    let halves = if has(Family::is_half) { "enable f16; " } else { "" };
    [halves, matrices, &out].concat()
}

/// The text with the lines that are marked so, or without them.
fn only(text: &str, mark: &str, wanted: bool) -> String {
    let lines = text.lines().filter(|line| wanted || !line.contains(mark));
    lines.map(|line| line.replacen(mark, "", 1) + "\n").collect()
}

/// Fills in a template for the tiles of `variants`: between the lines `// tile begin` and `// tile end` the text is written once a
/// tile, `ROWS` and `COLS` standing for its size; a line with `{i}` is repeated for each row, `{j}` for each column, `{h}` for each
/// group of four rows and `{q}` for each group of four columns of the tile. `{q0}` to `{q3}` are the columns of group `{q}`, and `{h+}` is the
/// group after `{h}`, or the last one. Lines between `// four begin` and `// four end` are written four times, `{k}` standing for the turn.
///
/// Lines marked `?half` are those of tiles that keep halves, lines marked `?scaled` of those whose left operand is scaled.
/// Of a shared tile, `HIGH` and `WIDE` are the rows and columns of the workgroup, `BOTH` their sum, `DOWN` and `ACROSS` its invocations.
/// Of a subgroup, `LANES` is the size; its groups of four rows are dealt out to the lanes: group `{h}` is number `{h/}` of lane `{h%}`, and
/// a line with `{t}` is repeated for each number.
/// Of a cooperative tile the rows and columns are those of [`Parts`], whose holes it has besides those of a shared tile.
fn expand<'a>(text: &str, variants: impl Iterator<Item = &'a Variant>, operands: Operands) -> String {
    let (head, rest) = text.split_once("// tile begin\n").expect("a tile begins");
    let (body, tail) = rest.split_once("// tile end\n").expect("a tile ends");
    let mut out = head.to_string();
    for &Variant { tile: [cols, rows], family, .. } in variants {
        let (mut holes, mut counts) = (vec![("ROWS", rows), ("COLS", cols)], Counts { rows, cols, lanes: (rows / 4).max(1), blocks: 1 });
        let half = family.is_half();
        let slices = slices(family, [cols, rows]);
        let marks = [("?half ", half), ("?scaled ", half && operands.scaled), ("?sliced ", slices > 1), ("?whole ", slices == 1)];
        let body = marks.iter().fold(body.to_string(), |body, (mark, wanted)| only(&body, mark, *wanted));
        let words = match (half, operands.scaled) {
            (false, _) => WHOLE,
            (true, false) => HALF,
            (true, true) => [HALF[0], HALF[1], ("NARROW(", "vec4<f16>(up * "), HALF[3], HALF[4]],
        };
        let body = words.iter().fold(body, |body, (hole, word)| body.replace(hole, word));
        match family {
            Family::Shared([wide, high]) | Family::SharedHalf([wide, high]) => {
                let (both, down, across) = (high + wide, high / rows, wide / cols);
                // groups of four k that are brought at once: a block of 4 × 4 by each invocation
                let deep = 4 * slices * down * across / both;
                holes.extend([("HIGH", high), ("WIDE", wide), ("BOTH", both), ("DOWN", down), ("ACROSS", across)]);
                holes.extend([
                    ("DEEP", deep),
                    ("SLICES", slices),
                    ("STIR", 8 / deep.min(8)),
                    ("PLANE", down * across),
                    ("QUADS", cols / 4),
                ]);
            }
            Family::Subgroup(size) => {
                counts.lanes = size;
                holes.push(("LANES", size));
            }
            Family::Cooperative { size, lanes } => {
                let parts = Parts::new(size, lanes, [cols, rows]);
                counts = Counts { rows: parts.matrices[1], cols: parts.matrices[0], blocks: parts.blocks, ..counts };
                holes.extend(parts.holes());
            }
            Family::Direct | Family::Software => {}
        }
        for line in four_times(&body).iter().flat_map(|line| repeat(line, counts)) {
            let line = holes.iter().fold(line, |line, (hole, n)| line.replace(hole, &n.to_string()));
            out.push_str(&line);
            out.push('\n');
        }
    }
    out + tail
}

/// In how many slices the invocations of a shared tile share the terms of its sums out: as many as there is room for in a workgroup. Halves have one, as their
/// memory has no room for sums to be exchanged.
fn slices(family: Family, [cols, rows]: [u32; 2]) -> u32 {
    match family {
        Family::Shared([wide, high]) => INVOCATIONS * rows * cols / (wide * high),
        _ => 1,
    }
}

/// Invocations of a workgroup at most, by WebGPU's default limits.
const INVOCATIONS: u32 = 256;

/// What a shared tile keeps its operands in, how they get there and back, and where sums are exchanged: whole, or as halves.
const WHOLE: [(&str, &str); 5] = [("KIND", "shared"), ("CELL", "f32"), ("NARROW(", "("), ("WIDEN(", "("), ("SUMS_", "blocks_")];
const HALF: [(&str, &str); 5] =
    [("KIND", "half"), ("CELL", "f16"), ("NARROW(", "vec4<f16>("), ("WIDEN(", "vec4<f32>("), ("SUMS_", "sums_")];

/// How a workgroup of a cooperative tile is cut: an invocation brings `{b}` blocks, and a subgroup makes a part of the tile, rows `{i}` and columns
/// `{j}` of matrices.
struct Parts {
    size: u32,
    lanes: u32,
    block: [u32; 2],
    /// Invocations of the workgroup.
    invocations: u32,
    /// Subgroups in the workgroup.
    count: u32,
    /// Subgroups beside each other.
    beside: u32,
    /// Matrices of a part in x and y.
    matrices: [u32; 2],
    /// Blocks of 4 × 4 operands for an invocation to bring.
    blocks: u32,
}

impl Parts {
    fn new(size: u32, lanes: u32, block: [u32; 2]) -> Self {
        let [wide, high] = block;
        // as many as blocks to bring, but no more than a few subgroups: the larger their parts, the less they load for a product
        let invocations = (wide + high).min(128);
        let count = invocations / lanes;
        // as close to squares as it goes, for the same reason
        let beside = 1 << (count.ilog2() / 2);
        let matrices = [wide / beside / size, high * beside / count / size];
        Parts { size, lanes, block, invocations, count, beside, matrices, blocks: (wide + high) / invocations }
    }

    fn holes(&self) -> [(&'static str, u32); 13] {
        let &Parts { size, lanes, block: [wide, high], invocations, count, beside, matrices: [cols, rows], blocks } = self;
        [
            ("SIZE", size),
            ("LANES", lanes),
            ("HIGH", high),
            ("WIDE", wide),
            ("INVOCATIONS", invocations),
            ("BRINGS", blocks),
            // from one k to the next, see the template
            ("PITCH", high + wide + 8),
            ("PARTS", count),
            ("BESIDE", beside),
            ("TALL", rows * size),
            ("BROAD", cols * size),
            ("ABREAST", cols),
            ("TURNS", rows * cols),
        ]
    }
}

/// How often an invocation loops at most over so many groups of four k, whichever variant it is of: the direct tiles once a group, the shared
/// ones once a group and once more for four of them, the cooperative ones up to three times for four of them and [`TURNS`] times besides.
pub(crate) fn loops(terms4: u32) -> u64 {
    let fours = u64::from(terms4.div_ceil(4));
    (5 * fours).max(3 * fours + TURNS)
}

/// What a cooperative tile loops besides: over the sums of a subgroup, to begin and to store.
const TURNS: u64 = 64;

fn four_times(body: &str) -> Vec<String> {
    let (mut lines, mut block) = (Vec::new(), None);
    for line in body.lines() {
        match (line.trim(), &mut block) {
            ("// four begin", _) => block = Some(Vec::new()),
            ("// four end", Some(inside)) => {
                (0..4).for_each(|k| lines.extend(inside.iter().map(|line: &&str| line.replace("{k}", &k.to_string()))));
                block = None;
            }
            (_, Some(inside)) => inside.push(line),
            (_, None) => lines.push(line.to_string()),
        }
    }
    lines
}

/// How often lines are repeated.
#[derive(Clone, Copy)]
struct Counts {
    rows: u32,
    cols: u32,
    lanes: u32,
    blocks: u32,
}

fn repeat(line: &str, Counts { rows, cols, lanes, blocks }: Counts) -> Vec<String> {
    let mut lines = vec![line.to_string()];
    let marks = [("{i}", rows), ("{h}", rows / 4), ("{t}", rows / 4 / lanes), ("{j}", cols), ("{q}", cols / 4), ("{b}", blocks)];
    for (mark, count) in marks {
        if line.contains(mark) {
            let fill = |line: &String, n: u32| {
                let mut line = line.replace(mark, &n.to_string());
                if mark == "{h}" {
                    let next = (n + 1).min(count - 1);
                    for (mark, n) in [("{h/}", n / lanes), ("{h%}", n % lanes), ("{h+}", next)] {
                        line = line.replace(mark, &n.to_string());
                    }
                }
                if mark == "{q}" {
                    for k in 0..4 {
                        line = line.replace(&format!("{{q{k}}}"), &(4 * n + k).to_string());
                    }
                }
                line
            };
            lines = lines.iter().flat_map(|line| (0..count).map(move |n| fill(line, n))).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Operands = Operands { left: Lies::Along, right: Lies::Along, sums: false, scaled: false, source: Source::Batch };

    fn variant(tile: [u32; 2], family: Family) -> Variant {
        Variant { entry: "f", tile, family }
    }

    #[test]
    fn a_line_is_repeated_for_every_row_and_column_it_names() {
        let text = "head\n// tile begin\nfn f_ROWSxCOLS\nlet x{i};\ns{i}_{q} = v{q1};\n// tile end\ntail\n";
        let wanted = "head\nfn f_2x4\nlet x0;\nlet x1;\ns0_0 = v1;\ns1_0 = v1;\ntail\n";
        assert_eq!(expand(text, [variant([4, 2], Family::Direct)].iter(), PLAIN), wanted);
    }

    #[test]
    fn lines_between_four_begin_and_four_end_are_written_four_times_in_their_order() {
        let text = "// tile begin\n  // four begin\na{k}_{h}\nb{k}\n  // four end\nc\n// tile end\n";
        let wanted = "a0_0\na0_1\nb0\na1_0\na1_1\nb1\na2_0\na2_1\nb2\na3_0\na3_1\nb3\nc\n";
        assert_eq!(expand(text, [variant([4, 8], Family::Direct)].iter(), PLAIN), wanted);
    }

    #[test]
    fn a_shared_tile_knows_its_workgroup() {
        let text = "// tile begin\nHIGHxWIDE BOTH ACROSSxDOWN DEEP STIR\n?sliced SLICES of PLANE\n?whole all\n// tile end\n";
        // 8 · 8 invocations of 8 × 8 are a quarter of a workgroup, whose 256 bring 32 · 8 blocks; 16 · 16 bring 64 · 4
        let shared = [variant([8, 8], Family::Shared([64, 64])), variant([8, 8], Family::Shared([128, 128]))];
        assert_eq!(expand(text, shared.iter(), PLAIN), "64x64 128 8x8 8 1\n4 of 64\n128x128 256 16x16 4 2\nall\n");
    }

    #[test]
    fn the_rows_of_a_subgroup_are_dealt_out_to_its_lanes() {
        let text = "// tile begin\nl{t}\ns{h} = l{h/} of {h%} in LANES\nx{h} = x{h+}\n// tile end\n";
        let wanted = "l0\nl1\ns0 = l0 of 0 in 2\ns1 = l0 of 1 in 2\ns2 = l1 of 0 in 2\ns3 = l1 of 1 in 2\n\
                      x0 = x1\nx1 = x2\nx2 = x3\nx3 = x3\n";
        assert_eq!(expand(text, [variant([4, 16], Family::Subgroup(2))].iter(), PLAIN), wanted);
    }

    #[test]
    fn a_cooperative_tile_is_cut_into_parts_of_whole_matrices() {
        let text =
            "// tile begin\nSIZE LANES HIGHxWIDE INVOCATIONS PITCH PARTS BESIDE TALLxBROAD ABREAST of TURNS\nx{b}\ns{i}_{j}\n// tile end\n";
        let cooperative = [Variant::cooperative("f", 16, 32, [32, 32]), Variant::cooperative("f", 8, 8, [128, 128])];
        let wanted = "16 32 32x32 64 72 2 1 16x32 2 of 2\nx0\ns0_0\ns0_1\n";
        assert_eq!(expand(text, cooperative[..1].iter(), PLAIN), wanted);
        let many = expand(text, cooperative[1..].iter(), PLAIN);
        assert!(many.starts_with("8 8 128x128 128 264 16 4 32x32 4 of 16\nx0\nx1\ns0_0\n") && many.ends_with("s3_3\n"), "{many}");
    }

    #[test]
    fn the_parts_of_a_cooperative_tile_make_all_of_it() {
        let mut seen = 0;
        for kernel in crate::kernels::all() {
            for &Variant { entry, tile: [wide, high], family } in kernel.variants {
                let Family::Cooperative { size, lanes } = family else { continue };
                let parts = Parts::new(size, lanes, [wide, high]);
                let [cols, rows] = parts.matrices;
                assert_eq!(parts.count * cols * rows * size * size, wide * high, "{entry}");
                assert_eq!((parts.beside * cols * size, parts.count / parts.beside * rows * size), (wide, high), "{entry}");
                assert_eq!((parts.invocations * parts.blocks, parts.count * lanes), (wide + high, parts.invocations), "{entry}");
                // the sums of L are its first blocks', and fit where the sums of C were
                assert!(high <= parts.invocations && 4 * high <= parts.count * size * size, "{entry}");
                let turns = (size * size).div_ceil(lanes) + rows * cols * (1 + (size * size / 4).div_ceil(lanes)) + 4;
                assert!(u64::from(turns) <= TURNS, "{entry} loops {turns} times besides");
                assert!(16 % size == 0 && 16 / size < 3, "{entry}");
                seen += 1;
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_shared_tile_has_as_many_invocations_as_blocks_to_bring() {
        for kernel in crate::kernels::all() {
            for &Variant { entry, tile: [cols, rows], family } in kernel.variants {
                if let Family::Shared([wide, high]) | Family::SharedHalf([wide, high]) = family {
                    let (slices, plane, both4) = (slices(family, [cols, rows]), (wide / cols) * (high / rows), (wide + high) / 4);
                    let deep = slices * plane / both4;
                    assert_eq!(deep * both4, slices * plane, "{entry}");
                    // each slice has as many groups of four k, and four of them exchange a quarter of the tile at a time
                    assert!(deep % slices == 0 && (slices == 1 || slices == 4), "{entry}");
                    assert!(slices == 1 || slices * wide * high / 16 <= deep * 4 * both4, "{entry}");
                    // the exclusive or stays within the operand's own part of the memory, and within the invocations' tiles
                    assert!([wide / 4, high / 4, wide / cols, high / rows].iter().all(|n| n % 8 == 0), "{entry}");
                }
            }
        }
    }
}
