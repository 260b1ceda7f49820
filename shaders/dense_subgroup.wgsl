// C[i, j] = Σₖ L[i, k] · R[k, j] by a subgroup of LANES: ROWS rows, of which each lane makes COLS columns. The operands are those of
// dense_shared.wgsl: each lane loads its own columns of R and its share of L, which the others get by a shuffle, without memory. For
// software drivers, to which a load costs twenty times what a sum does, and a shuffle from a lane that is known no more than a sum.
// tile begin
@compute @workgroup_size(LANES)
fn NAME_subgroup_LANES(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let live = live_rows(group.z);
    let i4 = group.y * (ROWSu / 4u);
    let j4 = group.x * (LANESu * COLSu / 4u) + lane;
    let count = terms4(live, 4u * i4);
    var x{h}_{q} = vec4<f32>();
    var y{h}_{q} = vec4<f32>();
    var z{h}_{q} = vec4<f32>();
    var w{h}_{q} = vec4<f32>();
    ?sums var own{t} = vec4<f32>();
    let start{t} = left_at(group.z, live, i4 + lane + {t}u * LANESu);
    for (var k4 = 0u; k4 < count; k4 += 1u) {
        let l{t} = left(live, start{t}, k4);
        let r{q} = right(group.z, live, j4 + {q}u * LANESu, k4);
        // four begin
        {
            let s{h} = subgroupShuffle(l{h/}[{k}], {h%}u);
            x{h}_{q} += s{h}.x * r{q}[{k}];
            y{h}_{q} += s{h}.y * r{q}[{k}];
            z{h}_{q} += s{h}.z * r{q}[{k}];
            w{h}_{q} += s{h}.w * r{q}[{k}];
        }
        // four end
        ?sums own{t} += l{t}[0] + l{t}[1] + l{t}[2] + l{t}[3];
    }
    // What becomes of a sum is much code, which a driver compiles as often as it is written: four rows are stored, and the tile moves up.
    for (var i = i4; i < min(i4 + ROWSu / 4u, high4(live)); i += 1u) {
        store(group.z, live, 4u * i, j4 + {q}u * LANESu, x0_{q});
        store(group.z, live, 4u * i + 1u, j4 + {q}u * LANESu, y0_{q});
        store(group.z, live, 4u * i + 2u, j4 + {q}u * LANESu, z0_{q});
        store(group.z, live, 4u * i + 3u, j4 + {q}u * LANESu, w0_{q});
        x{h}_{q} = x{h+}_{q};
        y{h}_{q} = y{h+}_{q};
        z{h}_{q} = z{h+}_{q};
        w{h}_{q} = w{h+}_{q};
    }
    // Σₖ L rides along
    ?sums if group.x == 0u { store_sums(group.z, i4 + lane + {t}u * LANESu, own{t}); }
}

// tile end
