// ∂C/∂W[m, to + i] = Σₛ slices[m, from + s·length + i], s upwards, for each layer whose batch is cut into parts        slices [members, stride]
struct SumSlices { total4: u32, members: u32, stride4: u32, arena4: u32, layers: u32 }

@group(0) @binding(0) var<uniform> p: SumSlices;
// a layer: [where it ends among the `total4`, where its slices begin, how many there are, where it begins in the arena], in groups of four
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> slices: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> grads: array<vec4<f32>>;

@compute @workgroup_size(64)
fn sum_slices(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 64u);
    if i >= p.total4 { return; }
    var before = 0u;
    var place = places[0];
    for (var n = 1u; n < p.layers; n += 1u) {
        if i >= place.x {
            before = place.x;
            place = places[n];
        }
    }
    var at = id.z * p.stride4 + place.y + i - before;
    var sum = slices[at];
    for (var s = 1u; s < place.z; s += 1u) {
        at += place.x - before;
        sum += slices[at];
    }
    grads[id.z * p.arena4 + place.w + i - before] = sum;
}
