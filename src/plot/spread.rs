//! How far to the right each place of a layered graph is: near its neighbours, and long edges straight.

use super::layout::{Place, Sizes};

/// How far apart the middles of two places beside each other are at least.
fn apart(a: &Place, b: &Place, sizes: &Sizes) -> f64 {
    match (a.node, b.node) {
        (true, true) => sizes.node.0 + sizes.beside.0,
        (false, false) => sizes.beside.1,
        _ => sizes.node.0 / 2.0 + sizes.beside.1,
    }
}

/// Moves each row's places towards their neighbours, without changing the order or coming too near; long edges are pulled straight.
pub(super) fn spread(rows: &[Vec<usize>], places: &mut [Place], sizes: &Sizes) {
    let offsets: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let mut offset = vec![0.0; row.len()];
            for i in 1..row.len() {
                offset[i] = offset[i - 1] + apart(&places[row[i - 1]], &places[row[i]], sizes);
            }
            offset
        })
        .collect();
    for (row, offset) in rows.iter().zip(&offsets) {
        let middle = offset.last().map_or(0.0, |last| last / 2.0);
        for (place, x) in row.iter().zip(offset) {
            places[*place].x = x - middle;
        }
    }
    for sweep in 0..300 {
        let turn: Vec<usize> = if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for row in turn {
            let wanted: Vec<(f64, f64)> = rows[row]
                .iter()
                .zip(&offsets[row])
                .map(|(place, offset)| {
                    let place = &places[*place];
                    let weight = |n: usize| match (place.node, places[n].node) {
                        (true, true) => 4.0,
                        (false, false) => 4.0,
                        _ => 1.0,
                    };
                    let neighbours = || place.above.iter().chain(&place.below).map(|n| (weight(*n), places[*n].x));
                    let sum: f64 = neighbours().map(|(w, _)| w).sum();
                    let x = if sum > 0.0 { neighbours().map(|(w, x)| w * x).sum::<f64>() / sum } else { place.x };
                    (x - offset, sum.max(0.1))
                })
                .collect();
            for (place, (x, offset)) in rows[row].iter().zip(rising(&wanted).into_iter().zip(&offsets[row])) {
                places[*place].x = x + offset;
            }
        }
    }
}

/// Takes the small bends out of long edges: as many layers as have room for it at one x get the same.
pub(super) fn straighten(rows: &[Vec<usize>], places: &mut [Place], routes: &[Vec<usize>], sizes: &Sizes) {
    let mut rank = vec![0; places.len()];
    for row in rows {
        row.iter().enumerate().for_each(|(i, place)| rank[*place] = i);
    }
    for _ in 0..4 {
        for route in routes {
            let through = &route[1..route.len() - 1];
            let rooms: Vec<(f64, f64)> = through
                .iter()
                .map(|p| {
                    let (row, i) = (&rows[places[*p].layer], rank[*p]);
                    let gap = |other: usize| apart(&places[other], &places[*p], sizes);
                    let low = if i > 0 { places[row[i - 1]].x + gap(row[i - 1]) } else { f64::NEG_INFINITY };
                    let high = row.get(i + 1).map_or(f64::INFINITY, |next| places[*next].x - gap(*next));
                    // neighbours may be a rounding error too near
                    (low, high.max(low))
                })
                .collect();
            let mut from = 0;
            while from < through.len() {
                let (mut room, mut to) = (rooms[from], from + 1);
                while let Some(next) = rooms.get(to).map(|next| (room.0.max(next.0), room.1.min(next.1))).filter(|both| both.0 <= both.1) {
                    (room, to) = (next, to + 1);
                }
                let mean = through[from..to].iter().map(|p| places[*p].x).sum::<f64>() / (to - from) as f64;
                through[from..to].iter().for_each(|p| places[*p].x = mean.clamp(room.0, room.1));
                from = to;
            }
        }
    }
}

/// The values nearest to those wanted (by weight, in squares) that never fall: pool adjacent violators.
fn rising(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in wanted {
        let mut pool = (value, weight, 1);
        while let Some(last) = pools.last().copied().filter(|last| last.0 > pool.0) {
            pools.pop();
            let weight = last.1 + pool.1;
            pool = ((last.0 * last.1 + pool.0 * pool.1) / weight, weight, last.2 + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled_at_their_mean() {
        // 3 and 1 fall: both become (3·1 + 1·3)/4 = 1.5
        assert_eq!(rising(&[(0.0, 1.0), (3.0, 1.0), (1.0, 3.0), (5.0, 1.0)]), [0.0, 1.5, 1.5, 5.0]);
    }
}
