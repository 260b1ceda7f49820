//! Every diagram as text: well-formed, on its page, the same again, and there whatever the input is.

use super::canvas::width;
use super::*;
use std::collections::BTreeMap;

const NASTY: &str = "a<b> & \"c\" 'd'\u{0}\n…";
const ESCAPED: &str = "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;\u{FFFD} …";

/// A tag with its attributes, and the text after it.
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// The tags of an SVG text, or a panic that says why it is not well-formed XML.
fn parse(svg: &str) -> Vec<Tag> {
    assert!(svg.chars().all(|c| c == '\n' || !c.is_control()), "a control character");
    let (mut open, mut tags): (Vec<String>, Vec<Tag>) = Default::default();
    assert!(svg.starts_with('<'));
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("no > in <{piece}"));
        for entity in text.split('&').skip(1).chain(tag.split('&').skip(1)) {
            assert!(["lt;", "gt;", "amp;", "quot;", "apos;"].iter().any(|e| entity.starts_with(e)), "&{entity}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "a tag closes that is not open");
            continue;
        }
        let tag = match tag.strip_suffix('/') {
            Some(closed) => closed,
            None => {
                open.push(tag.split_whitespace().next().unwrap().to_string());
                tag
            }
        };
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while let Some((key, after)) = rest.trim_start().split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a closing quote");
            assert!(attributes.insert(key.to_string(), value.to_string()).is_none(), "{key} twice in <{tag}>");
            rest = after;
        }
        assert!(rest.trim().is_empty(), "{rest:?} in <{tag}>");
        tags.push(Tag { name: name.to_string(), attributes, text: text.to_string() });
    }
    assert!(open.is_empty(), "{open:?} stay open");
    tags
}

fn texts(svg: &str) -> Vec<String> {
    parse(svg).into_iter().filter(|tag| tag.name == "text").map(|tag| tag.text).collect()
}

fn has_text(svg: &str, wanted: &str) -> bool {
    texts(svg).iter().any(|text| text == wanted)
}

fn wave(name: &str) -> Function {
    Function::sampled(name, (-3.0, 3.0), f64::sin, f64::cos)
}

fn bowl() -> Surface {
    Surface::sampled((-2.0, 2.0), (-1.0, 3.0), |x, y| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2))
}

/// Every diagram with names that XML must escape and values that are not finite, too large, zero or negative.
fn all() -> Vec<(&'static str, String)> {
    let odd = [1.0, f64::NAN, 0.5, f64::INFINITY, 0.0, -1.0, f64::MAX, 0.25, f64::NEG_INFINITY, 5e-324];
    let series = [Series::counted(NASTY, &odd), Series::counted("second", &[0.5; 10])];
    let flow: Vec<Series> = (0..30).map(|i| Series::counted(format!("{NASTY} {i}"), &[0.5 / f64::from(i + 1), 0.1, 1e-30])).collect();
    let bars: Vec<(String, f64)> = odd.iter().map(|v| (NASTY.to_string(), *v)).collect();
    let chart = |log_x, log_y| Chart { log_x, log_y, series: series.to_vec(), ..Chart::new(NASTY, NASTY, NASTY) };
    let marked = chart(false, false).mark(Mark::new(2.0, NASTY)).mark(Mark::new(2.1, NASTY)).mark(Mark::new(f64::NAN, NASTY));
    let drawn = [Draw::Line, Draw::Points, Draw::Both].map(|draw| series[0].clone().drawn(draw)).to_vec();
    let curves = LossCurves { title: NASTY, training: &odd, validation: &odd, best: Some(9), stopped: Some(10), log_y: true };
    let rates: Vec<f64> = (0..10).map(|i| 1e-7 * 10f64.powi(i)).collect();
    let measured: Vec<Rate> =
        (4u32..).zip(odd).map(|(power, median)| Rate { batch: 1 << power, median, min: 0.9 * median, max: 1.1 * median }).collect();
    let names: Vec<String> = (0..30).map(|i| format!("{NASTY} {i}")).collect();
    let counts: Vec<u64> = (0..900).map(|i| if i % 31 == 0 { u64::MAX } else { i * i % 7 * i }).collect();
    let nodes = [
        Node::new("a", NASTY, Group::Data).subtitle(NASTY),
        Node::new("b", "b", Group::Forward),
        Node::new("c", "c".repeat(200), Group::Loss),
        Node::new("d", "", Group::Backward),
        Node::new("e", "e", Group::Clip),
        Node::new("b", "the same id again", Group::Update),
    ];
    let edge = |from: &str, to: &str| Edge::new(from, to).label(NASTY);
    let edges = [edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "a"), edge("c", "c"), edge("b", "nobody"), edge("d", "e")];
    let runaway = Series::new(NASTY, [(-1.0, 1.0), (1.5, -0.5), (900.0, 1e299), (f64::NAN, 0.0), (0.0, 0.0)]);
    vec![
        ("lines", lines(&marked)),
        ("lines, log x", lines(&chart(true, false))),
        ("lines, log y", lines(&chart(false, true))),
        ("lines, points", lines(&Chart { series: drawn, ..chart(true, true) })),
        ("lines, small", lines(&Chart { size: Some((400.0, 260.0)), ..marked })),
        ("bars", super::bars(NASTY, NASTY, &odd.map(|value| Bar { name: NASTY.into(), value, spread: 0.1 * value.abs() }))),
        ("histogram", histogram(NASTY, NASTY, &odd, 20)),
        ("loss_curves", loss_curves(&curves)),
        ("schedules", schedules(NASTY, NASTY, &series, true)),
        ("lr_finder", lr_finder(NASTY, &rates, &odd, &odd, &[Mark::new(1e-5, NASTY), Mark::new(3.2e-3, "steepest")])),
        ("throughput", throughput(NASTY, &measured)),
        ("functions_with_slopes", functions_with_slopes(NASTY, &[wave(NASTY), wave("b"), Function::default()])),
        ("losses_side_by_side", losses_side_by_side(NASTY, &[(NASTY, vec![wave(NASTY), wave("b")]), ("x", vec![wave("c")])])),
        ("surface_paths, log", surface_paths(NASTY, &bowl(), Levels::Log(12), std::slice::from_ref(&runaway), Some((1.0, 1.0)))),
        ("surface_paths", surface_paths(NASTY, &Surface { x_label: NASTY.into(), ..bowl() }, Levels::Linear(8), &[runaway], None)),
        ("gradient_flow", gradient_flow(NASTY, NASTY, &flow)),
        ("gradient_bars", gradient_bars(NASTY, &bars)),
        ("confusion_matrix", confusion_matrix(NASTY, &names, &counts)),
        ("confusion_matrix, 2", confusion_matrix(NASTY, &names[..2], &[3, 1, 0, 4])),
        ("workflow", workflow(NASTY, &nodes, &edges)),
    ]
}

#[test]
fn every_diagram_is_well_formed_with_escaped_names_on_white() {
    for (name, svg) in all() {
        let tags = parse(&svg);
        let page = &tags[0].attributes;
        assert_eq!((tags[0].name.as_str(), page["xmlns"].as_str()), ("svg", "http://www.w3.org/2000/svg"), "{name}");
        let scaled = |key: &str| page[key].parse::<f64>().unwrap() * 4.0;
        let view: Vec<f64> = page["viewBox"].split(' ').map(|n| n.parse().unwrap()).collect();
        assert!((view[2] - scaled("width")).abs() <= 4.0 && (view[3] - scaled("height")).abs() <= 4.0, "{name}: {page:?}");
        assert_eq!((tags[1].name.as_str(), tags[1].text.as_str()), ("title", ESCAPED), "{name}");
        let ground = &tags[2].attributes;
        assert_eq!((&ground["fill"], &ground["width"]), (&"#FFFFFF".to_string(), &format!("{}", view[2])), "{name}");
        assert!(tags.iter().filter(|t| t.name == "text").all(|t| t.attributes["font-family"] == "sans-serif"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

/// Panics where something is off the page. A text's width is estimated as the layout does.
fn on_the_page(name: &str, svg: &str) {
    let tags = parse(svg);
    let view: Vec<f64> = tags[0].attributes["viewBox"].split(' ').map(|n| n.parse().unwrap()).collect();
    let inside = |x: f64, y: f64, what: &str| {
        assert!((0.0..=view[2]).contains(&x) && (0.0..=view[3]).contains(&y), "{name}: {what} at {x}, {y} of {view:?}");
    };
    for tag in &tags[2..] {
        let number = |key: &str| tag.attributes[key].parse::<f64>().unwrap();
        match tag.name.as_str() {
            "polyline" | "polygon" => {
                for point in tag.attributes["points"].split(' ') {
                    let (x, y) = point.split_once(',').unwrap();
                    inside(x.parse().unwrap(), y.parse().unwrap(), &tag.name);
                }
            }
            "rect" => {
                inside(number("x"), number("y"), "rect");
                inside(number("x") + number("width"), number("y") + number("height"), "rect");
            }
            "circle" => inside(number("cx"), number("cy"), "circle"),
            "line" => inside(number("x2"), number("y2"), "line"),
            "text" => {
                let text = tag.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                let text = text.replace("&quot;", "\"").replace("&apos;", "'");
                let wide = width(&text, number("font-size")) / 1.1;
                let (before, after) = match tag.attributes["text-anchor"].as_str() {
                    "start" => (0.0, wide),
                    "middle" => (wide / 2.0, wide / 2.0),
                    _ => (wide, 0.0),
                };
                for along in [-before, after] {
                    let turned = tag.attributes.contains_key("transform");
                    let (dx, dy) = if turned { (0.0, -along) } else { (along, 0.0) };
                    inside(number("x") + dx, number("y") + dy, &text);
                }
            }
            other => panic!("{name}: a <{other}>"),
        }
    }
}

#[test]
fn nothing_is_drawn_off_the_page() {
    for (name, svg) in all() {
        on_the_page(name, &svg);
    }
}

#[test]
fn long_names_are_cut_off_at_the_page() {
    let long = "a name without end ".repeat(20);
    let series = [1.0, 2.0].map(|v| Series::counted(long.as_str(), &[v, v + 1.0, 3.0])).to_vec();
    let chart = Chart { series: series.clone(), ..Chart::new(&long, &long, &long) };
    for (name, svg) in [
        ("lines", lines(&chart.mark(Mark::new(1.0, &long)).mark(Mark::new(2.0, &long)))),
        ("functions_with_slopes", functions_with_slopes(&long, &[wave(&long)])),
        ("losses_side_by_side", losses_side_by_side(&long, &[(&long, vec![wave(&long)])])),
        ("surface_paths", surface_paths(&long, &Surface { y_label: long.clone(), ..bowl() }, Levels::Log(6), &series, None)),
        ("gradient_bars", gradient_bars(&long, &[(long.clone(), 0.5)])),
        ("confusion_matrix", confusion_matrix(&long, &[long.clone(), long.clone()], &[1, 2, 3, 4])),
        ("workflow", workflow(&long, &[Node::new("a", &long, Group::Loss).subtitle(&long)], &[])),
    ] {
        on_the_page(name, &svg);
        assert!(texts(&svg).iter().any(|text| text.ends_with('…')), "{name}");
    }
}

#[test]
fn a_line_that_leaves_the_axes_is_cut_off_there() {
    let points = [(1.0, 1.0), (2.0, 0.0), (3.0, 50.0), (4.0, 60.0), (5.0, -70.0), (6.0, 0.5)];
    let chart = Chart { highest: Some(2.0), ..Chart::new("t", "x", "y").series(Series::new("a", points)) };
    let tags = parse(&lines(&chart));
    let lines: Vec<&Tag> = tags.iter().filter(|t| t.name == "polyline" && t.attributes["stroke"] == "#0072B2").collect();
    // out through the top between 2 and 3, back in between 4 and 5
    assert_eq!(lines.len(), 2);
    for line in lines {
        for point in line.attributes["points"].split(' ') {
            let y: f64 = point.split_once(',').unwrap().1.parse().unwrap();
            assert!(y >= lines::TITLE * 4.0, "{point} is above the axes");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for ((name, first), (_, second)) in all().into_iter().zip(all()) {
        assert!(first == second, "{name}");
    }
}

#[test]
fn nothing_to_draw_is_said() {
    let gone = Series::counted("gone", &[f64::NAN, f64::INFINITY]);
    let flat = Surface { values: vec![1.0; 3], columns: 2, ..bowl() };
    for (name, svg) in [
        ("lines", lines(&Chart::new("t", "x", "y"))),
        ("lines, empty series", lines(&Chart::new("t", "x", "y").series(Series::default()))),
        ("lines, not finite", lines(&Chart::new("t", "x", "y").series(gone.clone()))),
        ("lines, log of zero", lines(&Chart { log_y: true, ..Chart::new("t", "x", "y").series(Series::counted("a", &[0.0, -1.0])) })),
        ("loss_curves", loss_curves(&LossCurves { best: Some(3), ..LossCurves::default() })),
        ("schedules", schedules("t", "step", &[], false)),
        ("lr_finder", lr_finder("t", &[], &[], &[], &[Mark::new(1.0, "a")])),
        ("throughput", throughput("t", &[])),
        ("functions_with_slopes", functions_with_slopes("t", &[])),
        ("losses_side_by_side", losses_side_by_side("t", &[])),
        ("losses_side_by_side, none of a kind", losses_side_by_side("t", &[("error p − t", Vec::new())])),
        ("surface_paths", surface_paths("t", &Surface { values: vec![f64::NAN; 4], columns: 2, ..bowl() }, Levels::Log(5), &[], None)),
        ("surface_paths, not a grid", surface_paths("t", &flat, Levels::Linear(5), &[], None)),
        ("surface_paths, no range", surface_paths("t", &Surface { x: (1.0, 1.0), ..bowl() }, Levels::Linear(5), &[], None)),
        ("gradient_flow", gradient_flow("t", "epoch", &[gone])),
        ("gradient_bars", gradient_bars("t", &[("a".into(), 0.0)])),
        ("confusion_matrix", confusion_matrix("t", &[], &[])),
        ("confusion_matrix, wrong size", confusion_matrix("t", &["a".into(), "b".into()], &[1, 2, 3])),
        ("workflow", workflow("t", &[], &[Edge::new("a", "b")])),
        ("bars", bars("t", "x", &[])),
        ("bars, not finite", bars("t", "x", &[Bar { name: "a".into(), value: f64::NAN, spread: 0.0 }])),
        ("histogram", histogram("t", "x", &[f64::NAN], 10)),
    ] {
        assert!(has_text(&svg, "no data"), "{name}");
    }
}

/// How many lines and dots there are in the colour of the first series.
fn in_blue(svg: &str, tag: &str) -> usize {
    let blue = |t: &Tag| [t.attributes.get("stroke"), t.attributes.get("fill")].contains(&Some(&"#0072B2".to_string()));
    parse(svg).iter().filter(|t| t.name == tag && blue(t)).count()
}

#[test]
fn a_value_that_is_not_finite_makes_a_gap() {
    let chart = |values: &[f64]| lines(&Chart::new("t", "x", "y").series(Series::counted("a", values)));
    assert_eq!(in_blue(&chart(&[1.0, 2.0, 3.0, 4.0, 5.0]), "polyline"), 1);
    assert_eq!(in_blue(&chart(&[1.0, 2.0, f64::NAN, 4.0, 5.0]), "polyline"), 2);
    // a value alone between two gaps is a dot
    let alone = chart(&[1.0, 2.0, f64::NAN, 4.0, f64::INFINITY]);
    assert_eq!((in_blue(&alone, "polyline"), in_blue(&alone, "circle")), (1, 1));
    assert_eq!(in_blue(&chart(&[7.0]), "circle"), 1);
}

/// Width and height of the rectangles in the colour of the first series.
fn blue_boxes(svg: &str) -> Vec<(f64, f64)> {
    let side = |tag: &Tag, key: &str| tag.attributes[key].parse::<f64>().unwrap();
    let blue = |tag: &&Tag| tag.name == "rect" && tag.attributes.get("fill").is_some_and(|fill| fill == "#0072B2");
    parse(svg).iter().filter(blue).map(|tag| (side(tag, "width"), side(tag, "height"))).collect()
}

#[test]
fn bars_are_as_long_as_their_numbers() {
    let bar = |value: f64| Bar { name: "a".into(), value, spread: 0.0 };
    let boxes = blue_boxes(&bars("t", "x", &[bar(4.0), bar(1.0), bar(-2.0), bar(0.0), bar(f64::NAN)]));
    let [long, short, below] = boxes[..] else { panic!("{boxes:?}") };
    assert!((long.0 - 4.0 * short.0).abs() <= 6.0 && (below.0 - 2.0 * short.0).abs() <= 4.0, "{boxes:?}");
}

#[test]
fn a_histogram_counts_rows_in_each_range() {
    // four ranges of 1: three rows in the first, none in the second, one (on its lower edge) in the third, two in the last
    let boxes = blue_boxes(&histogram("t", "x", &[0.0, 0.5, 0.9, 2.0, 3.5, 4.0, f64::NAN], 4));
    let [three, one, two] = boxes[..] else { panic!("{boxes:?}") };
    assert!((three.1 - 3.0 * one.1).abs() <= 4.0 && (two.1 - 2.0 * one.1).abs() <= 4.0, "{boxes:?}");
}

#[test]
fn a_logarithmic_axis_leaves_out_zero_and_below() {
    let draw = |points: &[(f64, f64)]| {
        lines(&Chart { log_x: true, log_y: true, ..Chart::new("t", "x", "y").series(Series::new("a", points.iter().copied())) })
    };
    let good = [(1e-4, 1.0), (1e-2, 1e3), (1.0, 10.0)];
    let with_bad = [(0.0, 1.0), (1e-4, 1.0), (1e-2, 1e3), (1.0, 10.0), (2.0, 0.0), (-1.0, 5.0), (3.0, -2.0)];
    assert!(draw(&good) == draw(&with_bad));
    for tick in ["1e-4", "1e-3", "1e-2", "1e-1", "1e0", "1", "10", "100", "1000"] {
        assert!(has_text(&draw(&good), tick), "{tick}");
    }
}

#[test]
fn a_constant_is_in_the_middle() {
    let svg = lines(&Chart::new("t", "x", "y").series(Series::counted("a", &[0.1; 5])));
    // a tenth of it up and down
    for tick in ["0.090", "0.100", "0.110"] {
        assert!(has_text(&svg, tick), "{tick}");
    }
    assert_eq!(in_blue(&svg, "polyline"), 1);
}

#[test]
fn names_labels_and_marks_are_written() {
    let values = [1.0, 0.5, 0.4, 0.45];
    let svg = loss_curves(&LossCurves {
        title: "t",
        training: &values,
        validation: &values,
        best: Some(3),
        stopped: Some(4),
        ..LossCurves::default()
    });
    for text in ["t", "epoch", "loss", "training", "validation", "best, epoch 3", "stopped, epoch 4"] {
        assert!(has_text(&svg, text), "{text}");
    }
    let rates = [1e-4, 1e-3, 1e-2, 1e-1];
    let svg = lr_finder("t", &rates, &values, &values, &[Mark::new(3.2e-3, "steepest"), Mark::new(0.02, "minimum/10")]);
    for text in ["learning rate", "loss", "smoothed", "steepest 3.2e-3", "minimum/10 0.02"] {
        assert!(has_text(&svg, text), "{text}");
    }
    let rates = [32, 64, 128].map(|batch| Rate { batch, median: 1e3, min: 9e2, max: 1.1e3 });
    let svg = throughput("t", &rates);
    for text in ["batch", "samples a second", "median", "fastest round", "slowest round", "32", "64", "128"] {
        assert!(has_text(&svg, text), "{text}");
    }
    let svg = losses_side_by_side("t", &[("error p − t", vec![wave("mse")])]);
    assert!(["loss", "slope", "mse", "error p − t"].iter().all(|text| has_text(&svg, text)));
    let svg = functions_with_slopes("t", &[wave("relu"), wave("tanh")]);
    assert!(["relu", "tanh", "function of z", "slope", "z"].iter().all(|text| has_text(&svg, text)));
}

#[test]
fn a_loss_that_explodes_leaves_the_search_through_the_top() {
    let rates: Vec<f64> = (0..40).map(|i| 1e-6 * 1.5f64.powi(i)).collect();
    let losses: Vec<f64> = (0..40).map(|i| if i < 30 { 2.0 - 0.05 * f64::from(i) } else { 10f64.powi(i - 29) }).collect();
    let svg = lr_finder("t", &rates, &losses, &losses, &[]);
    // 2 at the start, 0.55 at best: the axis ends near 2·2 − 0.55 = 3.45, not at 1e10
    assert!(has_text(&svg, "3.0") && !has_text(&svg, "1e10"), "{:?}", texts(&svg));
}

#[test]
fn a_long_run_stays_light() {
    let noise = |i: u64| (i.wrapping_mul(6_364_136_223_846_793_005) >> 33) as f64;
    let values: Vec<f64> = (0..200_000).map(noise).collect();
    let svg = lines(&Chart::new("t", "x", "y").series(Series::counted("a", &values)));
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
}

#[test]
fn layers_get_darker_from_first_to_last() {
    let layers: Vec<(String, f64)> = (0..8).map(|i| (format!("layer {i}"), 0.1)).collect();
    let svg = gradient_bars("t", &layers);
    let bars: Vec<f64> = parse(&svg)
        .iter()
        .skip(3)
        .filter(|t| t.name == "rect")
        .map(|t| {
            let channel = |i: usize| u8::from_str_radix(&t.attributes["fill"][i..i + 2], 16).unwrap();
            palette::luminance(plotters::style::RGBColor(channel(1), channel(3), channel(5)))
        })
        .collect();
    assert_eq!(bars.len(), 8);
    assert!(bars.windows(2).all(|pair| pair[1] < pair[0]), "{bars:?}");
    // and the last of them as written where there is no bar
    let svg = gradient_bars("t", &[("a".into(), 0.1), ("b".into(), f64::NAN), ("c".into(), 0.0)]);
    assert!(has_text(&svg, "not finite") && has_text(&svg, "0") && has_text(&svg, "0.1"));
}

#[test]
fn cells_are_shaded_by_their_share_of_the_row() {
    let classes = ["cat".to_string(), "dog".to_string()];
    // 9 of 10 and 90 of 100: the same shade for other counts
    let tags = parse(&confusion_matrix("t", &classes, &[9, 1, 10, 90]));
    let cell = |count: &str| tags.iter().position(|t| t.name == "text" && t.text == count).unwrap();
    let shade = |count: &str| &tags[cell(count) - 1].attributes["fill"];
    assert_eq!(shade("9"), shade("90"));
    assert_eq!(shade("1"), shade("10"));
    assert_ne!(shade("1"), shade("9"));
    // dark on light, light on dark
    assert_eq!(
        (&tags[cell("1")].attributes["fill"], &tags[cell("9")].attributes["fill"]),
        (&"#000000".to_string(), &"#FFFFFF".to_string())
    );
    for name in ["cat", "dog"] {
        assert_eq!(tags.iter().filter(|t| t.text == name).count(), 2, "{name}: down and across");
    }
}

#[test]
fn counts_without_room_are_left_out() {
    let classes: Vec<String> = (0..60).map(|i| format!("class {i}")).collect();
    let counts: Vec<u64> = (0..3600).map(|i| if i % 61 == 0 { 123_456 } else { 0 }).collect();
    let svg = confusion_matrix("t", &classes, &counts);
    assert!(!has_text(&svg, "123456") && !has_text(&svg, "0") && has_text(&svg, "class 59"));
}

#[test]
fn every_edge_has_an_arrow_and_every_group_its_letter() {
    let nodes = [
        Node::new("x", "gather", Group::Data),
        Node::new("f", "dense_forward", Group::Forward).subtitle("[64, 10]"),
        Node::new("l", "mse", Group::Loss),
    ];
    let edges = [
        Edge::new("x", "f").label("x"),
        Edge::new("x", "f").label("y"),
        Edge::new("f", "l"),
        Edge::new("l", "x"),
        Edge::new("l", "l"),
        Edge::new("f", "who"),
    ];
    let svg = workflow("t", &nodes, &edges);
    let tags = parse(&svg);
    // the tips are the only triangles: x → f once, f → l, and l → x upwards
    let triangles = tags.iter().filter(|t| t.name == "polygon" && t.attributes["points"].split(' ').count() == 3).count();
    assert_eq!(triangles, 3);
    for text in ["gather", "dense_forward", "[64, 10]", "mse", "x, y", "data", "forward", "loss"] {
        assert!(has_text(&svg, text), "{text}");
    }
    assert!(!has_text(&svg, "update"), "a group without nodes is not in the legend");
    // a letter in the legend, and one on the box
    for letter in ["D", "F", "L"] {
        assert_eq!(tags.iter().filter(|t| t.text == letter).count(), 2, "{letter}");
    }
}
