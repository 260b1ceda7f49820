//! What wgpu hands out to `unsafe` code only. Nothing else in this crate is `unsafe`.
#![expect(unsafe_code, reason = "wgpu has no other way to tensor cores and to loops without a second counter")]

/// Leave to ask for features that wgpu calls experimental: cooperative matrices.
pub(super) fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: the caller acknowledges that what is experimental in wgpu may hold bugs that end in undefined behavior, though nothing here is used
    // otherwise than documented. It is asked for with `Extras::EXPERIMENTAL` alone, on adapters that offer it; what uses it are the shaders of
    // `dense_cooperative.wgsl`, in sizes and types that the adapter lists, which naga validates, whose indices stay within their arrays, and whose
    // first results are compared with the twin's before they are used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A shader module whose indices are checked as ever, and whose loops have no second counter beside their own that ends them, which cost a tenth of a step
/// on an NVIDIA GPU: where all of its loops are this crate's. The formulas in it
/// may come from the application, which promises nothing.
pub(super) fn module(device: &wgpu::Device, label: &str, text: &str, formulas: &str) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(text.into()) };
    if has_loops(formulas) {
        return device.create_shader_module(descriptor);
    }
    let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
    // SAFETY: the caller promises that no loop is endless, as a driver may assume that it is not reached. Each loop of `shaders` counts up to a number
    // that the uniform or the table of steps holds or that is written there; `Plan` refuses a dispatch with more than `MAX_LOOPS` iterations. All
    // other checks stay.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}

/// Whether a text of WGSL may have a loop in it: the words are looked for in comments, too, since what ends a comment is not for us to say.
fn has_loops(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| matches!(word, "for" | "while" | "loop"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::Uses;

    #[test]
    fn a_loop_in_a_formula_is_seen() {
        assert!(has_loops("for (var i = 0; i < n; i += 1) {}") && has_loops("x;while(y){}") && has_loops("}loop{"));
        assert!(has_loops("/* // */ loop {}") && has_loops("// one\u{2028}loop {}"));
        assert!(!has_loops("fn activate(kind: u32, for_all: vec4<f32>) -> vec4<f32> { return loops + whiles; }"));
    }

    #[test]
    fn no_formula_of_this_crate_has_one() {
        let formulas = crate::kernels::formulas();
        for uses in [Uses::Activations, Uses::Losses] {
            let text = formulas.wgsl(uses);
            assert!(text.contains("switch") && !has_loops(&text), "{uses:?}");
        }
    }
}
