"""The second half of a verifier contract: FRI's commitments, opened rows, folds, Merkle paths.

It goes on within the external function that `vyper_template.py` begins, and uses its variables.
"""

__all__ = ["QUERIES"]

QUERIES = """    # FRI's commitments, then grinding, then the queries.
    if log_rows > LOG_FINAL:
        st[FOLDS] = (log_rows - LOG_FINAL + 2) // 3
    layers: uint256[2 * (MAX_FOLDS + 1)] = empty(uint256[2 * (MAX_FOLDS + 1)])
    for k: uint256 in range(st[FOLDS], bound=MAX_FOLDS + 1):
        state = keccak256(concat(state, x"07", slice(proof, st[CURSOR], DIGEST)))
        layers[2 * k] = convert(extract32(proof, st[CURSOR]), uint256) & DIGEST_MASK
        st[CURSOR] += DIGEST
        state = transcript._squeeze(state, 0x85)
        layers[2 * k + 1] = transcript._element(state)
    final_length: uint256 = 1 << (log_rows - 3 * st[FOLDS])
    assert len(proof) >= st[CURSOR] + 24 * final_length + 40, "verifier: proof too short"
{{FINAL_ABSORB}}
    final: uint256[MAX_FINAL] = empty(uint256[MAX_FINAL])
    for k: uint256 in range(final_length, bound=MAX_FINAL):
        final[k] = (convert(extract32(proof, st[CURSOR]), uint256) >> 64) << 64
        st[BAD] |= unsafe_add((final[k] >> 64) & EVEN, CARRY)
        st[BAD] |= unsafe_add((final[k] >> 128) & M64, CARRY)
        st[CURSOR] += 24
    state = transcript._squeeze(state, 0x86)
    assert (
        convert(keccak256(concat(state, slice(proof, st[CURSOR], 8))), uint256)
        >> (256 - {{GRINDING}})
        == 0
    ), "verifier: grinding"
    state = keccak256(concat(state, x"09", slice(proof, st[CURSOR], 8)))
    st[CURSOR] += 8

    # places[0 .. QUERIES - 1]: the positions, sorted, each once; behind them those of FRI's layers.
    # meets: the level at which the paths of a place and of the next one meet, or the tree's depth.
    places: uint256[(MAX_FOLDS + 1) * QUERIES] = empty(uint256[(MAX_FOLDS + 1) * QUERIES])
    meets: uint256[(MAX_FOLDS + 1) * QUERIES] = empty(uint256[(MAX_FOLDS + 1) * QUERIES])
    counts: uint256[MAX_FOLDS + 1] = empty(uint256[MAX_FOLDS + 1])
    siblings: uint256[MAX_FOLDS + 1] = empty(uint256[MAX_FOLDS + 1])  # of a multi-proof
    sorted: uint256[QUERIES] = self._positions(state, st[LOG_SIZE])
    for k: uint256 in range(QUERIES):
        if k == 0 or sorted[k] != sorted[k - 1]:
            places[counts[0]] = sorted[k]
            counts[0] += 1
    for k: uint256 in range(counts[0] - 1, bound=QUERIES):
        meets[k] = self._highest_bit(places[k] ^ places[unsafe_add(k, 1)])
    meets[counts[0] - 1] = st[LOG_SIZE]
    for layer: uint256 in range(MAX_FOLDS + 1):
        st[TEMPORARY] = layer * QUERIES
        siblings[layer] = 1
        for k: uint256 in range(counts[layer], bound=QUERIES):
            meet: uint256 = meets[st[TEMPORARY] + k]
            siblings[layer] += meet
            if layer < MAX_FOLDS and meet >= 3:
                next: uint256 = (layer + 1) * QUERIES + counts[layer + 1]
                places[next] = places[st[TEMPORARY] + k] >> 3
                meets[next] = meet - 3
                counts[layer + 1] += 1
        siblings[layer] -= counts[layer]

    # The opened rows: their leaves, and what DEEP divides at their points.
    paths_at: uint256[TREES + MAX_FOLDS] = empty(uint256[TREES + MAX_FOLDS])
    rows_at: uint256[TREES] = empty(uint256[TREES])
    sizes: uint256[TREES] = {{ROW_BYTES}}
    for t: uint256 in range(TREES):
        rows_at[t] = st[CURSOR]
        paths_at[t] = st[CURSOR] + sizes[t] * counts[0]
        st[CURSOR] = paths_at[t] + DIGEST * siblings[0]
    assert len(proof) >= st[CURSOR] + 8, "verifier: proof too short"
    digests: uint256[(TREES + MAX_FOLDS) * QUERIES] = empty(uint256[(TREES + MAX_FOLDS) * QUERIES])
    points: uint256[QUERIES] = empty(uint256[QUERIES])
    inverses: uint256[QUERIES] = empty(uint256[QUERIES])  # of the points
    values_: uint256[QUERIES] = empty(uint256[QUERIES])
    masks: uint256[QUERIES] = empty(uint256[QUERIES])
    bottoms: uint256[QUERIES] = empty(uint256[QUERIES])
    products: uint256[QUERIES] = empty(uint256[QUERIES])  # of bottoms and points so far
    near_line: uint256[5] = self._line(st[Z])
    far_line: uint256[5] = self._line(st[NEXT])
    row: uint256[ROW] = empty(uint256[ROW])
    st[PRODUCT] = 1
    for i: uint256 in range(counts[0], bound=QUERIES):
        at: uint256 = 0
        word: uint256 = 0
{{READ_ROWS}}
        st[NEAR_SUM] = (
            (self._near(row, near0) << 192) | (self._near(row, near1) << 128) | (self._near(row, near2) << 64)
        )
        st[FAR_SUM] = (
            (self._far(row, far0) << 192) | (self._far(row, far1) << 128) | (self._far(row, far2) << 64)
        )
        points[i] = self._point(places[i])
        masks[i] = (row[ROW - 3] << 192) | (row[ROW - 2] << 128) | (row[ROW - 1] << 64)
        st[NEAR_BOTTOM] = self._bottom(near_line, points[i])
        st[FAR_BOTTOM] = self._bottom(far_line, points[i])
        st[NEAR_SUM] = goldilocks._mul(
            goldilocks._sub(st[NEAR_SUM], st[NEAR_OPENED]), self._cofactor(near_line, points[i])
        )
        st[FAR_SUM] = goldilocks._mul(
            goldilocks._sub(st[FAR_SUM], st[FAR_OPENED]), self._cofactor(far_line, points[i])
        )
        values_[i] = goldilocks._add(
            goldilocks._scale(st[NEAR_SUM], st[FAR_BOTTOM]), goldilocks._scale(st[FAR_SUM], st[NEAR_BOTTOM])
        )
        bottoms[i] = unsafe_mul(st[NEAR_BOTTOM], st[FAR_BOTTOM]) % P
        products[i] = st[PRODUCT]
        st[PRODUCT] = unsafe_mul(st[PRODUCT], unsafe_mul(bottoms[i], points[i]) % P) % P
    assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
    # One inversion for all.
    st[PRODUCT] = goldilocks._invert_base(st[PRODUCT])
    for j: uint256 in range(counts[0], bound=QUERIES):
        i: uint256 = counts[0] - 1 - j
        st[TEMPORARY] = unsafe_mul(st[PRODUCT], products[i]) % P  # 1 over bottom and point
        st[PRODUCT] = unsafe_mul(st[PRODUCT], unsafe_mul(bottoms[i], points[i]) % P) % P
        inverses[i] = unsafe_mul(st[TEMPORARY], bottoms[i]) % P
        values_[i] = goldilocks._add(
            goldilocks._scale(values_[i], unsafe_mul(st[TEMPORARY], points[i]) % P), masks[i]
        )

    # FRI: what is known goes into its place in the leaf, which ties the layers together.
    powers: uint256[9] = empty(uint256[9])  # coordinates of the challenge, its square and its fourth power
    scaled: uint256[9] = empty(uint256[9])
    for layer: uint256 in range(st[FOLDS], bound=MAX_FOLDS):
        st[TEMPORARY] = layers[2 * layer + 1]
        for j: uint256 in range(3):
            powers[3 * j] = st[TEMPORARY] >> 192
            powers[3 * j + 1] = (st[TEMPORARY] >> 128) & M64
            powers[3 * j + 2] = (st[TEMPORARY] >> 64) & M64
            st[TEMPORARY] = goldilocks._mul(st[TEMPORARY], st[TEMPORARY])
        paths_at[TREES + layer] = st[CURSOR] + 24 * (8 * counts[layer + 1] - counts[layer])
        assert len(proof) >= paths_at[TREES + layer] + 8, "verifier: proof too short"
        st[KNOWN] = 0
        for k: uint256 in range(counts[layer + 1], bound=QUERIES):
            group: uint256 = places[unsafe_add((layer + 1) * QUERIES, k)]
            first: uint256 = st[KNOWN]
            st[TEMPORARY] = self._back(inverses[first], places[unsafe_add(layer * QUERIES, first)] & 7)
            points[k] = self._eighth_power(points[first])
            for turn: uint256 in range(8):
                st[KNOWN] = unsafe_add(st[KNOWN], 1)
                if st[KNOWN] == counts[layer]:
                    break
                if places[unsafe_add(layer * QUERIES, st[KNOWN])] >> 3 != group:
                    break
            # Those that were sent end the leaf; what is known goes in from the last one on, and each
            # moves what lies before it to the left.
            st[CURSOR] = unsafe_sub(st[CURSOR], unsafe_mul(24, unsafe_sub(st[KNOWN], first)))
            leaf: Bytes[192] = slice(proof, st[CURSOR], 192)
            st[CURSOR] = unsafe_add(st[CURSOR], 192)
            for turn: uint256 in range(st[KNOWN] - first, bound=8):
                known: uint256 = unsafe_sub(unsafe_sub(st[KNOWN], 1), turn)
                at: uint256 = unsafe_mul(24, places[unsafe_add(layer * QUERIES, known)] & 7)
                leaf = slice(
                    concat(
                        slice(leaf, 24, at),
                        slice(convert(values_[known], bytes32), 0, 24),
                        slice(leaf, unsafe_add(at, 24), unsafe_sub(168, at)),
                    ),
                    0,
                    192,
                )
            digests[unsafe_add((TREES + layer) * QUERIES, k)] = (
                convert(keccak256(leaf), uint256) & DIGEST_MASK
            )
            # the challenge over the first point, its square, its fourth power
            x: uint256 = st[TEMPORARY]
            scaled[0] = unsafe_mul(powers[0], x) % P
            scaled[1] = unsafe_mul(powers[1], x) % P
            scaled[2] = unsafe_mul(powers[2], x) % P
            x = unsafe_mul(x, x) % P
            scaled[3] = unsafe_mul(powers[3], x) % P
            scaled[4] = unsafe_mul(powers[4], x) % P
            scaled[5] = unsafe_mul(powers[5], x) % P
            x = unsafe_mul(x, x) % P
            scaled[6] = unsafe_mul(powers[6], x) % P
            scaled[7] = unsafe_mul(powers[7], x) % P
            scaled[8] = unsafe_mul(powers[8], x) % P
            inverses[k] = unsafe_mul(x, x) % P
            e: uint256[6] = abi_decode(leaf, (uint256[6]))
            st[BAD] |= self._carries(e)
            values_[k] = self._fold(e, scaled)
        assert st[BAD] & CARRIED == 0, "verifier: element not canonical"
        assert st[CURSOR] == paths_at[TREES + layer], "verifier: fri layer"
        st[CURSOR] += DIGEST * siblings[layer + 1]
    assert len(proof) == st[CURSOR] + 8, "verifier: trailing bytes"
    assert convert(extract32(proof, st[CURSOR] - 24), uint256) & M64 == 0, "verifier: padding"

    # The last fold is the final polynomial.
    for k: uint256 in range(counts[st[FOLDS]], bound=QUERIES):
        assert self._final_value(final, final_length, points[k]) == values_[k], "verifier: fri final"

    # Every leaf lies under its root. Leaves climb one after the other; one that meets the path of the
    # next waits on the stack.
    stack: uint256[MAX_LOG_SIZE + 1] = empty(uint256[MAX_LOG_SIZE + 1])
    levels: uint256[MAX_LOG_SIZE + 1] = empty(uint256[MAX_LOG_SIZE + 1])
    levels[0] = max_value(uint256)
    for t: uint256 in range(TREES + st[FOLDS], bound=TREES + MAX_FOLDS):
        st[LAYER] = 0
        if t >= TREES:
            st[LAYER] = t - TREES + 1
        st[TOP] = 0
        at: uint256 = paths_at[t]
        for k: uint256 in range(counts[st[LAYER]], bound=QUERIES):
            hash: uint256 = digests[t * QUERIES + k]
            place: uint256 = places[st[LAYER] * QUERIES + k]
            st[MEET] = meets[st[LAYER] * QUERIES + k]
            st[LEVEL] = 0
            for turn: uint256 in range(MAX_LOG_SIZE):
                stop: uint256 = min(st[MEET], levels[st[TOP]])
                sibling: uint256 = 0
                for turns: uint256 in range((stop - st[LEVEL]) >> 2, bound=MAX_LOG_SIZE >> 2):
                    sibling = convert(extract32(proof, at), uint256) & DIGEST_MASK
                    if place & 1 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 1 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 2 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 2 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 4 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    sibling = convert(extract32(proof, unsafe_add(at, 3 * DIGEST)), uint256) & DIGEST_MASK
                    if place & 8 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    place = place >> 4
                    at = unsafe_add(at, 4 * DIGEST)
                for turns: uint256 in range((stop - st[LEVEL]) & 3, bound=3):
                    sibling = convert(extract32(proof, at), uint256) & DIGEST_MASK
                    if place & 1 == 0:
                        hash = convert(keccak256(abi_encode(NODE, hash, sibling)), uint256) & DIGEST_MASK
                    else:
                        hash = convert(keccak256(abi_encode(NODE, sibling, hash)), uint256) & DIGEST_MASK
                    place = place >> 1
                    at = unsafe_add(at, DIGEST)
                if stop == st[MEET]:
                    break
                hash = convert(keccak256(abi_encode(NODE, stack[st[TOP]], hash)), uint256) & DIGEST_MASK
                st[TOP] = unsafe_sub(st[TOP], 1)
                place = place >> 1
                st[LEVEL] = unsafe_add(stop, 1)
            st[TOP] = unsafe_add(st[TOP], 1)
            stack[st[TOP]] = hash
            levels[st[TOP]] = st[MEET]
        if t < TREES:
            assert stack[1] == roots[t], "verifier: merkle"
        else:
            assert stack[1] == layers[2 * (t - TREES)], "verifier: fri layer"
    return True


"""
