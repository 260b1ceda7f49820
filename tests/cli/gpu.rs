//! The commands on an adapter: the first that is found. Skipped where there is none, unless `GRADUS_REQUIRE_GPU` is set.

use super::bench::Bench;

/// The first adapter's name, as `--device` takes it, and the most bytes that it binds at once.
fn adapter() -> Option<(String, u64)> {
    let found = gradus::exec::gpu::adapters();
    assert!(!found.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    let (info, limits) = found.into_iter().next()?;
    // arguments are parted by spaces: the longest word of the name will do
    let word = info.name.split_whitespace().max_by_key(|word| word.len())?;
    Some((word.to_string(), limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)))
}

#[test]
fn devices_parity_check_and_train_work_on_the_adapter() {
    let Some((name, binding)) = adapter() else { return };
    let bench = Bench::new();
    let said = bench.good("devices");
    assert!(said.out.contains(&name) && said.out.contains("bytes of a binding"), "{said:?}");
    let json = bench.good("devices --json").json();
    assert!(json["adapters"][0]["bytes of a binding"].as_u64().unwrap() >= binding, "{json}");
    for extra in ["timestamps", "subgroups", "f16", "cooperative matrix"] {
        assert!(json["adapters"][0][extra].is_string() && said.out.contains(&format!("    {extra}: ")), "{extra}: {json}");
    }

    let said = bench.good(&format!("parity gather adam --device {name}"));
    // the device, the head of the table, and a line for each kernel
    let lines = said.lines();
    assert!(lines.len() == 4 && lines[0].contains(&name) && !said.out.contains("FAILED"), "{said:?}");
    let said = bench.good(&format!("check digits --device {name}"));
    assert!(said.out.contains("worst ") && !said.out.contains("DIFFERS"), "{said:?}");

    let train = |device: &str| bench.good(&format!("train moons --set train.epochs=2 --device {device} --json")).json();
    let (there, here) = (train(&name), train("cpu"));
    assert!(there["device"]["name"].as_str().unwrap().contains(&name), "{there:#}");
    let (a, b) = (there["train_loss"].as_f64().unwrap(), here["train_loss"].as_f64().unwrap());
    assert!((a - b).abs() <= 1e-3 * b, "{a} on {name}, {b} on the CPU path");
}

#[test]
fn a_binding_larger_than_the_adapter_allows_is_refused_with_both_numbers() {
    let Some((name, binding)) = adapter() else { return };
    // two layers whose weights alone are more than one binding
    let width = ((binding / 4) as f64).sqrt() as u64 + 64;
    if width > 40_000 {
        return;
    }
    let bench = Bench::new();
    let needed = 4 * width * width;
    let said = bench.run(&format!("check digits --device {name} --set model.hidden=[{width},{width}]"));
    assert_eq!(said.code, 4, "{said:?}");
    let numbers: Vec<u64> = said.err.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(
        numbers.contains(&binding) && numbers.iter().any(|&n| n >= needed && n < needed + needed / 10),
        "{binding}, {needed}: {}",
        said.err
    );
    for part in ["`params` needs ", " binds at most ", "--device cpu"] {
        assert!(said.err.contains(part), "`{part}` is not in {}", said.err);
    }
}
