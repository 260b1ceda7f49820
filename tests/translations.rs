//! Every kernel in the languages of the other drivers: SPIR-V, MSL, HLSL and GLSL, by naga, within what WebGPU guarantees everywhere.
//!
//! `GRADUS_TRANSLATIONS=DIR cargo test --test translations` leaves the translations in DIR, for judges that are not naga:
//! `KERNEL.ENTRY.spv` (spirv-val), `KERNEL.ENTRY.450.comp` and `.es310.comp` (glslangValidator), `.metal`, `.sm51.hlsl`, `.sm60.hlsl` and
//! `.sm62.hlsl`.

use gradus::kernel::{Family, KernelInfo};
use gradus::kernels;
use naga::back::{glsl, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::proc::{BoundsCheckPolicies, Layouter};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, EntryPoint, GlobalVariable, Module, ShaderStage};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// WebGPU's default limits: what every browser and every adapter of wgpu grants without being asked.
mod limits {
    pub(super) const STORAGE_BUFFERS: usize = 8;
    pub(super) const UNIFORM_BUFFERS: usize = 12;
    pub(super) const BIND_GROUPS: u32 = 4;
    pub(super) const INVOCATIONS: u32 = 256;
    pub(super) const WORKGROUP_SIZE: [u32; 3] = [256, 256, 64];
    pub(super) const WORKGROUP_BYTES: u32 = 16 << 10;
    pub(super) const UNIFORM_BYTES: u32 = 64 << 10;
}

/// A valid module with one entry point, without overrides and without what the entry point does not use.
struct Shader {
    module: Module,
    info: ModuleInfo,
}

impl Shader {
    /// The shaders of a WGSL module, one for each entry point. Nothing beyond WebGPU's core is allowed in it, but for these.
    fn all(wgsl: &str, extras: Capabilities) -> Result<Vec<Shader>, String> {
        let module = naga::front::wgsl::parse_str(wgsl).map_err(|e| e.emit_to_string(wgsl))?;
        let mut validator = Validator::new(ValidationFlags::all(), extras);
        let info = validator.validate(&module).map_err(|e| e.emit_to_string(wgsl))?;
        let shader = |entry: &EntryPoint| {
            let (module, info) = process_overrides(&module, &info, Some((entry.stage, &entry.name)), &Default::default())
                .map_err(|e| format!("{}: {e}", entry.name))?;
            Ok(Shader { module: module.into_owned(), info: info.into_owned() })
        };
        module.entry_points.iter().map(shader).collect()
    }

    /// A kernel's variants, each out of the module that it is made from.
    fn of(kernel: &KernelInfo) -> Result<Vec<Shader>, String> {
        let mut all = Vec::new();
        for variant in kernel.variants {
            let wgsl = kernel.wgsl_of(std::slice::from_ref(variant), &kernels::formulas());
            let shaders = Shader::all(&wgsl, needs(variant.family).0)?;
            all.extend(shaders.into_iter().filter(|shader| shader.entry().name == variant.entry));
        }
        Ok(all)
    }

    fn entry(&self) -> &EntryPoint {
        &self.module.entry_points[0]
    }

    /// The variables that the entry point uses, its own functions' uses included.
    fn globals(&self) -> impl Iterator<Item = &GlobalVariable> {
        let used = self.info.get_entry_point(0);
        self.module.global_variables.iter().filter(move |(handle, _)| !used[*handle].is_empty()).map(|(_, global)| global)
    }

    /// The variables that are bound, each with a slot of its own: for the languages that have no bind groups.
    fn slots(&self) -> impl Iterator<Item = (u8, naga::ResourceBinding, bool)> {
        let mutable = |space| matches!(space, AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE));
        let bound = self.globals().filter_map(move |global| global.binding.map(|binding| (binding, mutable(global.space))));
        bound.zip(0..).map(|((binding, mutable), slot)| (slot, binding, mutable))
    }

    /// What it has beyond WebGPU's default limits.
    fn excesses(&self) -> Result<Vec<String>, String> {
        let mut layouter = Layouter::default();
        layouter.update(self.module.to_ctx()).map_err(|e| e.to_string())?;
        let bytes = |global: &GlobalVariable| layouter[global.ty].size;
        let (mut storage, mut uniforms, mut workgroup_bytes, mut uniform_bytes, mut groups) = (0, 0, 0, 0, 0);
        for global in self.globals() {
            match global.space {
                AddressSpace::Storage { .. } => storage += 1,
                AddressSpace::Uniform => {
                    uniforms += 1;
                    uniform_bytes = uniform_bytes.max(bytes(global));
                }
                AddressSpace::WorkGroup => workgroup_bytes += bytes(global).next_multiple_of(16),
                _ => {}
            }
            groups = groups.max(global.binding.map_or(0, |binding| binding.group + 1));
        }
        let size = self.entry().workgroup_size;
        let checks = [
            (storage > limits::STORAGE_BUFFERS, format!("{storage} storage buffers (at most {})", limits::STORAGE_BUFFERS)),
            (uniforms > limits::UNIFORM_BUFFERS, format!("{uniforms} uniform buffers (at most {})", limits::UNIFORM_BUFFERS)),
            (uniform_bytes > limits::UNIFORM_BYTES, format!("a uniform of {uniform_bytes} bytes (at most {})", limits::UNIFORM_BYTES)),
            (groups > limits::BIND_GROUPS, format!("{groups} bind groups (at most {})", limits::BIND_GROUPS)),
            (
                size.iter().product::<u32>() > limits::INVOCATIONS || size.iter().zip(limits::WORKGROUP_SIZE).any(|(&n, most)| n > most),
                format!("workgroups of {size:?} (at most {} in all and {:?} each)", limits::INVOCATIONS, limits::WORKGROUP_SIZE),
            ),
            (
                workgroup_bytes > limits::WORKGROUP_BYTES,
                format!("{workgroup_bytes} bytes of workgroup memory (at most {})", limits::WORKGROUP_BYTES),
            ),
        ];
        Ok(checks.into_iter().filter(|(beyond, _)| *beyond).map(|(_, what)| what).collect())
    }
}

/// What a family needs beyond WebGPU's core, and the languages, by suffix, that it is not translated to, with the reason: devices that are driven by
/// them do not offer it.
fn needs(family: Family) -> (Capabilities, &'static [&'static str]) {
    let halves: &[&str] = &["sm51.hlsl", "sm60.hlsl", "450.comp", "es310.comp"];
    match family {
        // no subgroups
        Family::Subgroup(_) => (Capabilities::SUBGROUP, &["sm51.hlsl", "es310.comp"]),
        // HLSL has a type of 16 bits from shader model 6.2 on, before that `half` is another name for `float`; naga has no f16 in GLSL, and wgpu no
        // SHADER_F16 on OpenGL
        Family::SharedHalf(_) => (Capabilities::SHADER_FLOAT16, halves),
        // naga and wgpu have cooperative matrices on Vulkan and Metal only
        Family::Cooperative { .. } => (
            Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX,
            &["sm51.hlsl", "sm60.hlsl", "sm62.hlsl", "450.comp", "es310.comp"],
        ),
        Family::Direct | Family::Software | Family::Shared(_) => (Capabilities::empty(), &[]),
    }
}

/// A language, as a driver of ours would ask for it.
struct Target {
    name: &'static str,
    suffix: &'static str,
    translate: fn(&Shader) -> Result<Vec<u8>, String>,
}

static TARGETS: &[Target] = &[
    Target { name: "SPIR-V 1.3 (Vulkan 1.1)", suffix: "spv", translate: spirv },
    Target { name: "MSL 2.4 (Metal)", suffix: "metal", translate: metal },
    Target { name: "HLSL, shader model 5.1 (FXC)", suffix: "sm51.hlsl", translate: |s| hlsl(s, hlsl::ShaderModel::V5_1) },
    Target { name: "HLSL, shader model 6.0 (DXC)", suffix: "sm60.hlsl", translate: |s| hlsl(s, hlsl::ShaderModel::V6_0) },
    Target { name: "HLSL, shader model 6.2 (DXC)", suffix: "sm62.hlsl", translate: |s| hlsl(s, hlsl::ShaderModel::V6_2) },
    Target { name: "GLSL 4.50", suffix: "450.comp", translate: |s| glsl(s, glsl::Version::Desktop(450)) },
    Target { name: "GLSL ES 3.10", suffix: "es310.comp", translate: |s| glsl(s, glsl::Version::new_gles(310)) },
];

fn spirv(shader: &Shader) -> Result<Vec<u8>, String> {
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: shader.entry().name.clone() };
    let words = spv::write_vec(&shader.module, &shader.info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn metal(shader: &Shader) -> Result<Vec<u8>, String> {
    let mut resources = msl::EntryPointResources::default();
    for (slot, binding, mutable) in shader.slots() {
        resources.resources.insert(binding, msl::BindTarget { buffer: Some(slot), mutable, ..Default::default() });
    }
    resources.sizes_buffer = Some(resources.resources.len() as u8);
    let name = shader.entry().name.clone();
    let options = msl::Options {
        lang_version: (2, 4),
        per_entry_point_map: [(name.clone(), resources)].into(),
        fake_missing_bindings: false,
        ..Default::default()
    };
    let pipeline = msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, name)), ..Default::default() };
    let (text, info) = msl::write_string(&shader.module, &shader.info, &options, &pipeline).map_err(|e| e.to_string())?;
    for name in info.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.into_bytes())
}

fn hlsl(shader: &Shader, shader_model: hlsl::ShaderModel) -> Result<Vec<u8>, String> {
    // without a map of its own, naga takes the bind group as the space and the binding as the register
    let options = hlsl::Options { shader_model, ..Default::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, shader.entry().name.clone())) };
    let mut text = String::new();
    let info = hlsl::Writer::new(&mut text, &options, &pipeline).write(&shader.module, &shader.info, None).map_err(|e| e.to_string())?;
    for name in info.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.into_bytes())
}

fn glsl(shader: &Shader, version: glsl::Version) -> Result<Vec<u8>, String> {
    let binding_map = shader.slots().map(|(slot, binding, _)| (binding, slot)).collect();
    let options = glsl::Options { version, binding_map, ..Default::default() };
    let pipeline = glsl::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: shader.entry().name.clone(), multiview: None };
    let mut text = String::new();
    glsl::Writer::new(&mut text, &shader.module, &shader.info, &options, &pipeline, BoundsCheckPolicies::default())
        .and_then(|mut writer| writer.write())
        .map_err(|e| e.to_string())?;
    Ok(text.into_bytes())
}

/// Calls `check` for each entry point of each kernel, by the names of both; fails with all that it said.
fn for_each_entry(mut check: impl FnMut(&str, &str, &Shader) -> Vec<String>) {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for kernel in kernels::all() {
        match Shader::of(kernel) {
            Err(e) => faults.push(format!("{}: naga refuses it\n{e}", kernel.name)),
            Ok(shaders) => {
                assert_eq!(shaders.len(), kernel.variants.len(), "{}: an entry point is missing", kernel.name);
                for shader in &shaders {
                    seen += 1;
                    let entry = &shader.entry().name;
                    faults.extend(check(kernel.name, entry, shader).into_iter().map(|fault| format!("{} ({entry}): {fault}", kernel.name)));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= kernels::all().count(), "{} kernels have but {seen} entry points", kernels::all().count());
}

#[test]
fn every_kernel_translates_to_the_language_of_every_driver() {
    let folder = std::env::var_os("GRADUS_TRANSLATIONS").map(PathBuf::from);
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    }
    for_each_entry(|kernel, entry, shader| {
        let translate = |target: &Target| {
            let output = (target.translate)(shader)?;
            if let Some(folder) = &folder {
                let file = folder.join(format!("{kernel}.{entry}.{}", target.suffix));
                std::fs::write(&file, &output).map_err(|e| format!("{}: {e}", file.display()))?;
            }
            if output.is_empty() { Err("an empty translation".to_string()) } else { Ok(()) }
        };
        let variant = kernels::all().flat_map(|kernel| kernel.variants).find(|v| v.entry == entry);
        let targets = TARGETS.iter().filter(|target| !variant.is_some_and(|v| needs(v.family).1.contains(&target.suffix)));
        targets.filter_map(|target| translate(target).err().map(|e| format!("{}: {e}", target.name))).collect()
    });
}

#[test]
fn every_kernel_keeps_within_the_limits_that_every_adapter_grants() {
    for_each_entry(|_, _, shader| match shader.excesses() {
        Ok(excesses) => excesses,
        Err(e) => vec![e],
    });
}

#[test]
fn the_table_and_the_modules_have_the_same_entry_points() {
    let (mut listed, mut written) = (BTreeSet::new(), BTreeSet::new());
    for kernel in kernels::all() {
        let extras = kernel.variants.iter().fold(Capabilities::empty(), |all, variant| all | needs(variant.family).0);
        let own: BTreeSet<_> = Shader::all(&kernel.wgsl(&kernels::formulas()), extras)
            .unwrap_or_default()
            .iter()
            .map(|shader| shader.entry().name.clone())
            .collect();
        for entry in kernel.entries() {
            assert!(own.contains(&entry), "{}: its WGSL has no entry point `{entry}`: it has {own:?}", kernel.name);
            assert!(listed.insert(entry.clone()), "{}: the entry point `{entry}` is listed twice", kernel.name);
        }
        written.extend(own);
    }
    let forgotten: Vec<_> = written.difference(&listed).collect();
    assert!(forgotten.is_empty(), "in the WGSL, but in no kernel's entries(): {forgotten:?}");
}

#[test]
fn uniforms_have_the_same_fields_in_rust_and_in_wgsl() {
    for kernel in kernels::all() {
        for shader in Shader::of(kernel).unwrap_or_default() {
            let entry = shader.entry().name.clone();
            let uniform = shader.globals().find(|global| global.space == AddressSpace::Uniform);
            let uniform = uniform.unwrap_or_else(|| panic!("{entry} reads no uniform"));
            let naga::TypeInner::Struct { members, .. } = &shader.module.types[uniform.ty].inner else {
                panic!("the uniform of {entry} is no struct")
            };
            // one word a field, so that no layout rule can come between the two
            let wgsl = members.iter().map(|member| match shader.module.types[member.ty].inner {
                naga::TypeInner::Scalar(naga::Scalar::U32) => (member.name.as_deref(), "u32", member.offset),
                naga::TypeInner::Scalar(naga::Scalar::F32) => (member.name.as_deref(), "f32", member.offset),
                _ => panic!("{:?} of the uniform of {entry} is neither u32 nor f32", member.name),
            });
            let rust = kernel.fields.iter().zip(0..).map(|(field, i)| (Some(field.name), field.wgsl, 4 * i));
            assert!(
                wgsl.clone().eq(rust.clone()),
                "{entry}: {:?} in WGSL, {:?} in Rust",
                wgsl.collect::<Vec<_>>(),
                rust.collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_kernel_beyond_the_limits_is_found_out() {
    let buffers =
        |n: u32| (0..n).map(|i| format!("@group(0) @binding({i}) var<storage, read_write> b{i}: array<f32>;\n")).collect::<String>();
    let touch = |n: u32| (0..n).map(|i| format!("b{i}[0] = tile[0].x;\n")).collect::<String>();
    let shader = |declared, used, size, words| {
        let wgsl = format!(
            "{}var<workgroup> tile: array<vec4<f32>, {words}>;\n@compute @workgroup_size({size}) fn main() {{ {} }}",
            buffers(declared),
            touch(used)
        );
        Shader::all(&wgsl, Capabilities::empty()).and_then(|shaders| shaders[0].excesses()).expect("valid WGSL")
    };
    assert_eq!(shader(9, 8, "16, 16", 1024), [""; 0], "a buffer that is declared and not used counts for nothing");
    assert_eq!(shader(9, 9, "256", 1), ["9 storage buffers (at most 8)"]);
    assert_eq!(shader(1, 1, "16, 17", 1), ["workgroups of [16, 17, 1] (at most 256 in all and [256, 256, 64] each)"]);
    assert_eq!(shader(1, 1, "1, 1, 65", 1), ["workgroups of [1, 1, 65] (at most 256 in all and [256, 256, 64] each)"]);
    assert_eq!(shader(1, 1, "64", 1025), ["16400 bytes of workgroup memory (at most 16384)"]);
    assert!(
        Shader::all("enable f16; @compute @workgroup_size(1) fn main() { var x = 1.0h; }", Capabilities::empty()).is_err(),
        "f16 is not in every adapter"
    );
}

#[test]
fn glsl_has_no_halves() {
    // the reason for leaving it out: where naga learns it, this fails
    let wgsl = "enable f16; var<workgroup> w: array<vec4<f16>, 4>; @compute @workgroup_size(1) fn main() { w[0] = vec4<f16>(1.0h); }";
    let shader = Shader::all(wgsl, Capabilities::SHADER_FLOAT16).expect("valid WGSL").remove(0);
    for version in [glsl::Version::Desktop(450), glsl::Version::new_gles(310)] {
        assert!(glsl(&shader, version).is_err(), "{version:?}");
    }
}
