/* One WaveNet stream as a C programmer writes it for one shape and one kind of machine: 20 layers of 64 residual and
 * 128 gate channels, 256 skip channels and symbols, AVX-512 intrinsics, weights in bfloat16 widened in the register.
 * It is the peer that shows how near compiled Python comes. Built by benchmarks/wavenet_peers.py with
 *     gcc -O3 -march=native -ffast-math -shared -fPIC
 * Every matrix is packed as [outputs / 64][inputs][64]. With -DROUNDED_INPUTS the inputs of products are rounded to
 * bfloat16 too, and AVX-512 BF16 multiplies pairs of them; matrices are then packed as [outputs / 64][inputs / 2][64][2]. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LAYERS = 20, CYCLE = 10, R = 64, G = 128, S = 256, V = 256 };

typedef uint16_t bf16;

static inline __m512 widened(const bf16 *w) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)w)), 16));
}

#ifdef ROUNDED_INPUTS
/* y += x W with x in bfloat16: one instruction makes 32 products and adds them in pairs. */
static inline void product(const float *x, const bf16 *w, float *y, int inputs, int outputs) {
    int32_t pairs[256];
    for (int i = 0; i < inputs; i += 16)
        _mm256_storeu_si256((__m256i *)(pairs + i / 2), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    for (int block = 0; block < outputs; block += 64) {
        __m512 even[4], odd[4];
        for (int v = 0; v < 4; v++) {
            even[v] = _mm512_loadu_ps(y + block + 16 * v);
            odd[v] = _mm512_setzero_ps();
        }
        for (int i = 0; i < inputs / 2; i += 2, w += 256) {
            const __m512bh first = (__m512bh)_mm512_set1_epi32(pairs[i]);
            const __m512bh second = (__m512bh)_mm512_set1_epi32(pairs[i + 1]);
            for (int v = 0; v < 4; v++) {
                even[v] = _mm512_dpbf16_ps(even[v], first, (__m512bh)_mm512_loadu_si512(w + 32 * v));
                odd[v] = _mm512_dpbf16_ps(odd[v], second, (__m512bh)_mm512_loadu_si512(w + 128 + 32 * v));
            }
        }
        for (int v = 0; v < 4; v++) _mm512_storeu_ps(y + block + 16 * v, _mm512_add_ps(even[v], odd[v]));
    }
}
#else
/* y += x W for all outputs; two chains of sums for each vector hide the latency of the products. */
static inline void product(const float *x, const bf16 *w, float *y, int inputs, int outputs) {
    for (int block = 0; block < outputs; block += 64) {
        __m512 even[4], odd[4];
        for (int v = 0; v < 4; v++) {
            even[v] = _mm512_loadu_ps(y + block + 16 * v);
            odd[v] = _mm512_setzero_ps();
        }
        for (int i = 0; i < inputs; i += 2, w += 128) {
            const __m512 first = _mm512_set1_ps(x[i]), second = _mm512_set1_ps(x[i + 1]);
            for (int v = 0; v < 4; v++) {
                even[v] = _mm512_fmadd_ps(first, widened(w + 16 * v), even[v]);
                odd[v] = _mm512_fmadd_ps(second, widened(w + 64 + 16 * v), odd[v]);
            }
        }
        for (int v = 0; v < 4; v++) _mm512_storeu_ps(y + block + 16 * v, _mm512_add_ps(even[v], odd[v]));
    }
}
#endif

/* tanh by its continued fraction, cut off where it is 1 to four digits */
static inline float squashed(float x) {
    const float c = fminf(fmaxf(x, -4.97f), 4.97f), q = c * c;
    const float top = c * (135135.f + q * (17325.f + q * (378.f + q)));
    return top / (135135.f + q * (62370.f + q * (3150.f + q * 28.f)));
}

/* Draws `steps` symbols, or takes them from `forced`; ring: [sum of dilations][R], zeros at the start.
 * mixed: for each layer, residual and skip product side by side. before: the symbol before, -1 at the start. */
int wavenet_run(int steps, const int64_t *forced, const float *uniforms, const float *table, const float *table_bias,
                const bf16 *dilated, const float *dilated_bias, const bf16 *mixed, const float *mixed_bias,
                const bf16 *hidden, const float *hidden_bias, const bf16 *output, const float *output_bias,
                float *ring, int64_t clock, int64_t before, int64_t *symbols, float *log_probs) {
    static float taps[2 * R], gates[G], gated[R], sums[R + S], skips[S], second[S], logits[V];
    for (int t = 0; t < steps; t++, clock++) {
        memcpy(taps + R, table_bias, sizeof(float) * R);
        if (before >= 0)
            for (int j = 0; j < R; j++) taps[R + j] += table[before * R + j];
        memset(skips, 0, sizeof skips);
        float *own = ring;
        for (int layer = 0; layer < LAYERS; layer++) {
            const int dilation = 1 << (layer % CYCLE);
            float *slot = own + (clock & (dilation - 1)) * R;
            memcpy(taps, slot, sizeof(float) * R);
            memcpy(slot, taps + R, sizeof(float) * R);
            own += dilation * R;
            memcpy(gates, dilated_bias + layer * G, sizeof gates);
            product(taps, dilated + (size_t)layer * 2 * R * G, gates, 2 * R, G);
            for (int j = 0; j < R; j++) gated[j] = squashed(gates[j]) * (.5f + .5f * squashed(.5f * gates[R + j]));
            memcpy(sums, taps + R, sizeof(float) * R);
            memcpy(sums + R, skips, sizeof skips);
            for (int j = 0; j < R + S; j++) sums[j] += mixed_bias[layer * (R + S) + j];
            product(gated, mixed + (size_t)layer * R * (R + S), sums, R, R + S);
            memcpy(taps + R, sums, sizeof(float) * R);
            memcpy(skips, sums + R, sizeof skips);
        }
        for (int j = 0; j < S; j++) skips[j] = fmaxf(skips[j], 0.f);
        memcpy(second, hidden_bias, sizeof second);
        product(skips, hidden, second, S, S);
        for (int j = 0; j < S; j++) second[j] = fmaxf(second[j], 0.f);
        memcpy(logits, output_bias, sizeof logits);
        product(second, output, logits, S, V);
        float top = logits[0], total = 0.f;
        for (int v = 1; v < V; v++) top = fmaxf(top, logits[v]);
        for (int v = 0; v < V; v++) total += second[v] = expf(logits[v] - top);
        int64_t symbol = V - 1;
        if (forced) {
            symbol = forced[t];
        } else {
            float sum = 0.f;
            for (int v = 0; v < V; v++) {
                sum += second[v];
                if (sum > uniforms[t] * total) {
                    symbol = v;
                    break;
                }
            }
        }
        if (log_probs) log_probs[t] = logits[symbol] - top - logf(total);
        symbols[t] = before = symbol;
    }
    return 0;
}
