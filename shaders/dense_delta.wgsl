// g[m, r, k] = ( Σₙ δ[m, r, n] · W[m, n, k] ) · σ'(z[m, r, k]), the slope taken from a or z        δ [members, rows, out], W [members, out, in]
// Rows are padded with zeros to groups of four: δ's zeros make the columns beyond `outputs` harmless.
struct DenseDelta {
    rows: u32, inputs4: u32, outputs: u32, outputs4: u32, members: u32, arena4: u32, weight4: u32, kind: u32,
}

@group(0) @binding(0) var<uniform> p: DenseDelta;
@group(0) @binding(2) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> g: array<vec4<f32>>;

fn finish(member: u32, row: u32, group: u32, sum: vec4<f32>) {
    let at = (member * p.rows + row) * p.inputs4 + group;
    g[at] = sum * slope(p.kind, source[at]);
}

// tile begin
@compute @workgroup_size(8, 8)
fn dense_delta_ROWSxCOLS(@builtin(global_invocation_id) id: vec3<u32>) {
    let live = current_step(id.z).rows;
    let row = id.y * ROWSu;
    let group = id.x * (COLSu / 4u);
    if row >= live || group >= p.inputs4 { return; }
    let di{i} = (id.z * p.rows + min(row + {i}u, live - 1u)) * p.outputs4;
    let wq{q} = id.z * p.arena4 + p.weight4 + min(group + {q}u, p.inputs4 - 1u);
    let last = (p.outputs - 1u) * p.inputs4;
    var s{i}_{q} = vec4<f32>();
    for (var n = 0u; n < p.outputs4; n += 1u) {
        let d{i} = delta[di{i} + n];
        let n0 = min((4u * n) * p.inputs4, last);
        let n1 = min((4u * n + 1u) * p.inputs4, last);
        let n2 = min((4u * n + 2u) * p.inputs4, last);
        let n3 = min((4u * n + 3u) * p.inputs4, last);
        let x{q} = params[wq{q} + n0];
        s{i}_{q} += d{i}.x * x{q};
        let y{q} = params[wq{q} + n1];
        s{i}_{q} += d{i}.y * y{q};
        let z{q} = params[wq{q} + n2];
        s{i}_{q} += d{i}.z * z{q};
        let w{q} = params[wq{q} + n3];
        s{i}_{q} += d{i}.w * w{q};
    }
    if row + {i}u < live && group + {q}u < p.inputs4 { finish(id.z, row + {i}u, group + {q}u, s{i}_{q}); }
}

// tile end
