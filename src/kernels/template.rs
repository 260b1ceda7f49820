//! Unrolls the register tiles of a WGSL template: WGSL has no arrays in registers, so every accumulator is a variable of its own.

/// Fills in a template for the tiles of `variants`: between the lines `// tile begin` and `// tile end` the text is written once a
/// tile, `ROWS` and `COLS` standing for its size; a line with `{i}` is repeated for each row, `{j}` for each column, `{h}` for each
/// group of four rows and `{q}` for each group of four columns of the tile. `{q0}` to `{q3}` are the columns of group `{q}`.
pub(crate) fn expand(text: &str, tiles: &[[u32; 2]]) -> String {
    let (head, rest) = text.split_once("// tile begin\n").expect("a tile begins");
    let (body, tail) = rest.split_once("// tile end\n").expect("a tile ends");
    let mut out = head.to_string();
    for &[cols, rows] in tiles {
        for line in body.lines() {
            for line in repeat(line, rows, cols) {
                out.push_str(&line.replace("ROWS", &rows.to_string()).replace("COLS", &cols.to_string()));
                out.push('\n');
            }
        }
    }
    out + tail
}

fn repeat(line: &str, rows: u32, cols: u32) -> Vec<String> {
    let mut lines = vec![line.to_string()];
    for (mark, count) in [("{i}", rows), ("{h}", rows / 4), ("{j}", cols), ("{q}", cols / 4)] {
        if line.contains(mark) {
            let fill = |line: &String, n: u32| {
                let mut line = line.replace(mark, &n.to_string());
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

    #[test]
    fn a_line_is_repeated_for_every_row_and_column_it_names() {
        let text = "head\n// tile begin\nfn f_ROWSxCOLS\nlet x{i};\ns{i}_{q} = v{q1};\n// tile end\ntail\n";
        let wanted = "head\nfn f_2x4\nlet x0;\nlet x1;\ns0_0 = v1;\ns1_0 = v1;\ntail\n";
        assert_eq!(expand(text, &[[4, 2]]), wanted);
    }
}
