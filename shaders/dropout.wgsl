// y[m, r, k] = x[m, r, k] · keep / (1 − rate), live rows only; keep = 1 where a word of the hash is at least rate·2³², else 0
// The hash of (seed of the member, step, layer, group of four in the member's batch) has four words, one for each column of the group.
// Backwards the same: δ = g · keep / (1 − rate).
struct Dropout { rows: u32, width4: u32, members: u32, layer: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Dropout;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> seeds: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// Jarzynski and Olano 2020, "Hash Functions for GPU Rendering", JCGT 9(3)
fn pcg4d(counter: vec4<u32>) -> vec4<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

@compute @workgroup_size(256)
fn dropout(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    let step = current_step(id.z);
    if i >= step.rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    let words = pcg4d(vec4<u32>(seeds[id.z], step.number, p.layer, i));
    // a product, not a choice of x: what is not finite must stay so, and be found
    y[at] = x[at] * select(vec4<f32>(), vec4<f32>(p.scale), words >= vec4<u32>(p.threshold));
}
