//! The WGSL: what naga says of it.

use super::tests::FORMULAS;
use super::*;
use naga::valid::{Capabilities, ValidationFlags, Validator};

const XY: &[&str] = &["x", "y"];

/// A compute shader that works out the expressions of two variables.
fn shader(expressions: &[String], width: Width) -> String {
    let kind = if width == Width::One { "f32" } else { "vec4<f32>" };
    let mut text = format!("@group(0) @binding(0) var<storage, read_write> cells: array<{kind}>;\n{}\n", wgsl_functions(width));
    for (i, expression) in expressions.iter().enumerate() {
        text += &format!("fn formula{i}(x: {kind}, y: {kind}) -> {kind} {{ return {expression}; }}\n");
    }
    text += "@compute @workgroup_size(1) fn main() {\n    let x = cells[0]; let y = cells[1];\n";
    for i in 0..expressions.len() {
        text += &format!("    cells[{i}] = formula{i}(x, y);\n");
    }
    text + "}\n"
}

fn accepted(text: &str) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|fault| panic!("{}", fault.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    info.unwrap_or_else(|fault| panic!("{}", fault.emit_to_string(text)));
}

#[test]
fn every_formula_and_its_slopes_are_wgsl_in_both_widths() {
    // every function with variables, and with constants wherever not all are
    let one = "abs sign exp ln log log2 log10 sqrt sin cos tan tanh sigmoid softplus relu floor ceil";
    let mut texts: Vec<String> = one.split(' ').map(|name| format!("{name}(x)")).collect();
    for name in ["min", "max", "pow"] {
        texts.extend([format!("{name}(x, y)"), format!("{name}(x, 0.3)"), format!("{name}(0.3, x)")]);
    }
    for name in ["clamp", "if"] {
        texts.extend([format!("{name}(x, y, x)"), format!("{name}(x, 0, -1)"), format!("{name}(1.5, x, y)")]);
    }
    for sign in "+ - * / // % ^ < <= > >= == != and or".split(' ') {
        texts.extend([
            format!("x {sign} y"),
            format!("x {sign} 1.5"),
            format!("-1.5 {sign} x"),
            format!("x {sign} -y"),
            format!("(x {sign} y) {sign} x"),
        ]);
    }
    texts.extend((-16..=17).map(|n| format!("x^{n}")));
    texts.extend(["1", "-1.5", "1e30", "1.2e-38", "3.4e38*x", "1e-30*1e-30*x", "not x", "--x", "-(-x)"].map(str::to_string));
    texts.extend(FORMULAS.iter().map(|text| text.to_string()));
    for width in [Width::One, Width::Four] {
        let mut expressions = Vec::new();
        for text in &texts {
            let formula = Expr::parse(text, XY).unwrap();
            let slopes = XY.iter().filter_map(|variable| formula.derivative(variable).ok());
            expressions.extend(slopes.map(|slope| slope.wgsl(width)));
            expressions.push(formula.wgsl(width));
        }
        accepted(&shader(&expressions, width));
    }
}

#[test]
fn the_deepest_formulas_are_wgsl() {
    let nested = |function: &str| format!("{function}(").repeat(64) + "x" + &")".repeat(64);
    let texts =
        [nested("sin"), nested("1-2/sin"), "-".repeat(64) + "x", "x^".repeat(64) + "x", "x+y*".repeat(120) + "x", "x+".repeat(149) + "x"];
    for text in texts.into_iter().filter_map(|text| Expr::parse(&text, XY).ok()) {
        accepted(&shader(&[text.wgsl(Width::Four)], Width::Four));
        if let Ok(slope) = text.derivative("x") {
            accepted(&shader(&[slope.wgsl(Width::Four)], Width::Four));
        }
    }
}

#[test]
fn wgsl_is_written_with_the_types_that_signs_and_functions_want() {
    for (text, one, four) in [
        ("2*x - 1", "2.0 * x - 1.0", "2.0 * x - 1.0"),
        ("(x - y)/(x*y)", "(x - y) / (x * y)", "(x - y) / (x * y)"),
        ("x - (y - -1)", "x - (y - (-1.0))", "x - (y - (-1.0))"),
        ("max(x, 0)", "expr_max(x, f32(0.0))", "expr_max(x, vec4<f32>(0.0))"),
        ("-(x + y)^2", "(-expr_power_2(x + y))", "(-expr_power_2(x + y))"),
        ("(-x)^-3", "expr_inverse(expr_power_3((-x)))", "expr_inverse(expr_power_3((-x)))"),
        ("1/3", "f32(0.33333334)", "vec4<f32>(0.33333334)"),
    ] {
        let formula = Expr::parse(text, XY).unwrap();
        assert_eq!((formula.wgsl(Width::One).as_str(), formula.wgsl(Width::Four).as_str()), (one, four), "{text}");
    }
}
