//! `report.html` of a run, and `gradus report`: well-formed, whole, and loading nothing.

use super::DIGITS;
use super::bench::{Bench, config, flowers};

/// The names of a page's tags and its ids, or a panic that says why it is not well-formed.
fn parse(html: &str) -> (Vec<String>, Vec<String>) {
    let (mut open, mut tags, mut ids): (Vec<String>, Vec<String>, Vec<String>) = Default::default();
    let html = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("no > in <{piece}"));
        // the style sheet has its own grammar
        if open.last().is_none_or(|name| name != "style") {
            for entity in text.split('&').skip(1).chain(tag.split('&').skip(1)) {
                assert!(["lt;", "gt;", "amp;", "quot;", "apos;"].iter().any(|e| entity.starts_with(e)), "&{entity}");
            }
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}> closes what is not open");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap().to_string();
        ids.extend(tag.split_once(" id=\"").map(|(_, rest)| rest.split('"').next().unwrap().to_string()));
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
        tags.push(name);
    }
    assert!(open.is_empty(), "{open:?} stay open");
    (tags, ids)
}

/// What every report must hold to.
fn checked(html: &str) -> Vec<String> {
    let (tags, ids) = parse(html);
    for tag in ["script", "iframe", "img", "object", "embed", "audio", "video"] {
        assert!(!tags.iter().any(|t| t == tag), "<{tag}>");
    }
    for loads in [" src=", "@import", "url(", "href=\"http", "href=\"//", "javascript:", " onload", " onclick"] {
        assert!(!html.contains(loads), "{loads}");
    }
    // the namespace of SVG is a name, and nothing is loaded from it
    assert_eq!(html.matches("http").count(), html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    for link in html.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(ids.iter().any(|known| known == id), "#{id} leads nowhere");
    }
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("name=\"viewport\""));
    ids
}

const SECTIONS: [&str; 8] = ["summary", "curves", "flow", "answers", "importance", "parity", "time", "config"];

#[test]
fn a_training_leaves_a_report_with_all_sections() {
    let bench = Bench::new();
    let json = bench.good(&format!("{DIGITS} --profile --out a --json")).json();
    let html = bench.read("a/report.html");
    assert_eq!(checked(&html), SECTIONS);
    let parameters = 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10;
    assert_eq!(parameters, 50_826);
    for part in [
        json["weights_hash"].as_str().unwrap(),
        "50,826 parameters",
        "after 3 epochs: all epochs were done",
        "predicted class",
        "drop in accuracy",
        "Of 64 features those 20",
        "13 dispatches on CPU path",
        "All agree; the worst error is",
        "dense_gradient",
        "the first step",
        "epochs = 3",
    ] {
        assert!(html.contains(part), "`{part}` is not in the report");
    }
    // written anew it is the same
    bench.good("report a --device cpu");
    assert_eq!(bench.read("a/report.html"), html);
}

#[test]
fn a_report_of_numbers_has_residuals_and_names_from_files_are_escaped() {
    let bench = Bench::new();
    bench.good("train sine --device cpu --set train.epochs=3 --out a");
    let html = bench.read("a/report.html");
    assert_eq!(checked(&html), SECTIONS);
    for part in ["y: predicted against true", "predicted − true", "drop in R²", "Kernels were not timed", "test R²"] {
        assert!(html.contains(part), "`{part}` is not in the report");
    }
    let nasty = flowers(90)
        .replace("petal", "<script>alert(1)</script> & 'petal'")
        .replace("setosa", "<b>setosa</b>")
        .replace("virginica", "</script></style></svg>--&#62;<svg/onload=alert(1)>");
    bench.write("iris.csv", nasty).write("iris.toml", config("iris.csv", "species"));
    bench.good("train iris.toml --device cpu --out b");
    let html = bench.read("b/report.html");
    assert_eq!(checked(&html), SECTIONS);
    assert!(html.contains("&lt;b&gt;setosa&lt;/b&gt;") && html.contains("&lt;script&gt;alert(1)"));
    // the name of a class is shown as long as there is room for it
    assert!(html.contains("&lt;/script&gt;") && !html.contains("<svg/onload"));

    // where the data are others now, the report says so and has the rest
    bench.write("iris.csv", flowers(60));
    bench.good("report b --device cpu");
    let html = bench.read("b/report.html");
    assert_eq!(checked(&html), ["summary", "curves", "flow", "answers", "time", "config"]);
    assert!(html.contains("The data are not those that the run was trained on"));
}

#[test]
fn a_report_says_what_is_wrong_with_the_gradients() {
    let bench = Bench::new();
    let deep = ["16"; 12].join(",");
    let train = "train moons --device cpu --set train.epochs=2 --set model.activation=sigmoid --out a";
    bench.good(&format!("{train} --set model.hidden=[{deep}]"));
    let html = bench.read("a/report.html");
    assert!(html.contains("<p class=\"warning\">the gradients of layer 0 (dense 2→16) are"));
    bench.good(&format!("{train} --set model.hidden=[8] --set train.diagnose=off --overwrite"));
    assert!(bench.read("a/report.html").contains("It was not looked at"));
    bench.good(&format!("{train} --set model.hidden=[8] --set output.report=false --overwrite"));
    assert!(!bench.path("a/report.html").exists(), "that of the run before is gone");
    bench.fails("report nowhere", 2, &["there is no run folder nowhere"]);
}
