//! `gradus doctor`: what a training would run on, why a GPU is not found, and the remedy.

use super::args::Doctor;
use super::print;
use crate::error::Result;
use crate::exec::{Device, DeviceType};
use std::path::Path;
use std::process::ExitCode;

/// What was found on the machine.
#[derive(Debug, Clone, Default, PartialEq)]
struct Facts {
    /// The adapters: what they are, and whether they are software.
    adapters: Vec<(String, bool)>,
    /// `linux`, `macos`, `windows`.
    system: &'static str,
    /// Whether this build knows GPUs at all.
    built: bool,
    /// Whether Vulkan's loader is there; `None` where it is not looked for.
    loader: Option<bool>,
    /// The files that tell the loader of drivers.
    drivers: Vec<String>,
    /// The graphics devices of the kernel, and whether this user may open them.
    nodes: Vec<(String, bool)>,
    /// Variables that limit what is found.
    variables: Vec<(String, String)>,
}

/// A fact with its remedy, where it is a trouble.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    good: bool,
    text: String,
}

pub(super) fn doctor(_: &Doctor) -> Result<ExitCode> {
    let auto = Device::Auto.open()?;
    let found = findings(&Facts::gather());
    for finding in &found {
        print(&format!("{} {}", if finding.good { "ok     " } else { "trouble" }, finding.text))?;
    }
    print(&format!("auto takes: {} ({})", auto.info(), auto.why()))?;
    // the answer is bad where there is no GPU to train on, though the CPU path does
    Ok(if auto.info().kind == DeviceType::Cpu { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

impl Facts {
    fn gather() -> Self {
        let system = std::env::consts::OS;
        let set = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_string(), value));
        let names = ["WGPU_BACKEND", "WGPU_ADAPTER_NAME", "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "CUDA_VISIBLE_DEVICES"];
        let listed = |folders: &[&str], wanted: fn(&str) -> bool| -> Vec<String> {
            let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
            let mut paths: Vec<String> = entries.map(|entry| entry.path().display().to_string()).filter(|path| wanted(path)).collect();
            paths.sort();
            paths
        };
        let linux = system == "linux";
        let libraries = ["/usr/lib", "/usr/lib64", "/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
        let loader = || !listed(&libraries, |path| path.contains("/libvulkan.so")).is_empty();
        let node = |path: String| {
            let open = std::fs::OpenOptions::new().read(true).write(true).open(Path::new(&path)).is_ok();
            (path, open)
        };
        Facts {
            adapters: adapters(),
            system,
            built: cfg!(feature = "gpu"),
            loader: linux.then(loader),
            drivers: match linux {
                true => listed(&["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"], |path| {
                    path.ends_with(".json")
                }),
                false => vec![],
            },
            nodes: if linux { listed(&["/dev/dri"], |path| path.contains("render")).into_iter().map(node).collect() } else { vec![] },
            variables: names.iter().filter_map(set).collect(),
        }
    }
}

#[cfg(feature = "gpu")]
fn adapters() -> Vec<(String, bool)> {
    let found = crate::exec::gpu::offers();
    found.into_iter().map(|(info, ..)| (info.to_string(), info.kind == DeviceType::Software)).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<(String, bool)> {
    vec![]
}

/// What the facts mean, in the order in which things have to be right.
fn findings(facts: &Facts) -> Vec<Finding> {
    let good = |text: String| Finding { good: true, text };
    let trouble = |text: String| Finding { good: false, text };
    if !facts.built {
        let text = "this gradus was built without the feature `gpu`: build it with default features";
        return vec![trouble(text.into())];
    }
    let mut found: Vec<Finding> = facts.adapters.iter().map(|(name, _)| good(format!("adapter: {name}"))).collect();
    if facts.adapters.iter().any(|(_, software)| !software) {
        return found;
    }
    match facts.adapters.is_empty() {
        true => found.push(trouble("no adapter was found".into())),
        false => found.push(trouble("there are software adapters only: they compute right, and slower than the CPU path".into())),
    }
    for (name, value) in &facts.variables {
        found.push(trouble(format!("{name} is set to `{value}`: it limits what is found; unset it to see the rest")));
    }
    if facts.system != "linux" {
        let remedy =
            if facts.system == "macos" { "macOS 10.13 or newer on a Mac with Metal" } else { "the graphics driver of the GPU's maker" };
        found.push(trouble(format!("what is needed: {remedy}")));
        return found;
    }
    match facts.loader {
        Some(false) => found.push(trouble("Vulkan's loader is not installed: apt install libvulkan1, or dnf install vulkan-loader".into())),
        _ => found.push(good("Vulkan's loader is installed".into())),
    }
    if facts.nodes.is_empty() {
        let text = "the kernel shows no GPU (/dev/dri has no render node): in a container pass it on (docker run --device /dev/dri, or --gpus all), in a \
                    virtual machine too; else its kernel driver is not loaded";
        found.push(trouble(text.into()));
    }
    for (node, open) in &facts.nodes {
        found.push(match open {
            true => good(format!("{node} can be opened")),
            false => trouble(format!(
                "{node} may not be opened by this user: add it to the group `render` (usermod -aG render $USER) and log in again"
            )),
        });
    }
    match facts.drivers.is_empty() {
        true => found.push(trouble(
            "no Vulkan driver is installed: apt install mesa-vulkan-drivers (AMD, Intel), or NVIDIA's own driver with its Vulkan part"
                .into(),
        )),
        false => found.extend(facts.drivers.iter().map(|file| good(format!("driver: {file}")))),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubles(change: impl FnOnce(&mut Facts)) -> Vec<String> {
        let mut facts = Facts {
            system: "linux",
            built: true,
            loader: Some(true),
            drivers: vec!["radeon.json".into()],
            nodes: vec![("/dev/dri/renderD128".into(), true)],
            ..Facts::default()
        };
        change(&mut facts);
        findings(&facts).into_iter().filter(|finding| !finding.good).map(|finding| finding.text).collect()
    }

    #[test]
    fn a_gpu_is_enough() {
        assert!(troubles(|facts| facts.adapters = vec![("a GPU".into(), false), ("llvmpipe".into(), true)]).is_empty());
    }

    #[test]
    fn each_reason_has_its_remedy() {
        type Change = fn(&mut Facts);
        let cases: [(Change, &str); 8] = [
            (|facts| facts.built = false, "build it with default features"),
            (|_| {}, "no adapter was found"),
            (|facts| facts.adapters = vec![("llvmpipe".into(), true)], "software adapters only"),
            (|facts| facts.loader = Some(false), "apt install libvulkan1"),
            (|facts| facts.nodes.clear(), "--device /dev/dri"),
            (|facts| facts.nodes[0].1 = false, "usermod -aG render"),
            (|facts| facts.drivers.clear(), "apt install mesa-vulkan-drivers"),
            (|facts| facts.variables = vec![("WGPU_BACKEND".into(), "metal".into())], "WGPU_BACKEND is set to `metal`"),
        ];
        for (change, wanted) in cases {
            let found = troubles(change);
            assert!(found.iter().any(|text| text.contains(wanted)), "`{wanted}` is not in {found:?}");
        }
    }
}
