// c[m, r, k] = a[m, r, k] + b[m, r, k], live rows only        all [members, rows, 4·width4]
struct Add { rows: u32, width4: u32, members: u32 }

@group(0) @binding(0) var<uniform> p: Add;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

@compute @workgroup_size(256)
fn add(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if i >= current_step(id.z).rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    c[at] = a[at] + b[at];
}
