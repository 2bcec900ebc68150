/* One WaveNet stream as a C programmer writes it for one shape: 20 layers of 64 residual and 128 gate channels, 256 skip
 * channels and symbols, GNU vector extensions of the machine's width, weights in bfloat16 widened in the register. It
 * is the peer that shows how near compiled Python comes. Built by benchmarks/wavenet_peers.py with -O3 -ffast-math for
 * this CPU.
 * Every matrix is packed as [outputs / 64][inputs][64 / 2 W][W][2] for vectors of W floats: a 32-bit word holds the
 * weights of outputs j and j + W. With -DROUNDED_INPUTS the inputs of products are rounded to bfloat16 too, and AVX-512
 * BF16 multiplies pairs of them; matrices are then packed as [outputs / 64][inputs / 2][64][2]. */
#ifdef ROUNDED_INPUTS
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LAYERS = 20, CYCLE = 10, R = 64, G = 128, S = 256, V = 256 };

#if defined(__AVX512F__)
enum { W = 16 };
#define VECTOR_REGISTER "v"
#elif defined(__AVX__)
enum { W = 8 };
#define VECTOR_REGISTER "x"
#else
enum { W = 4 };
#ifdef __SSE2__
#define VECTOR_REGISTER "x"
#else
#define VECTOR_REGISTER "w"
#endif
#endif
enum { BLOCK = 64, VECTORS = BLOCK / W, CHAINS = VECTORS < 8 ? 8 / VECTORS : 1 };

typedef uint16_t bf16;
typedef float floats __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef uint32_t words __attribute__((vector_size(4 * W), aligned(4), may_alias));

#define ALL(x) ((x) - (floats){0})
#define AT(p) (*(floats *)(p))

int wavenet_width(void) { return W; }

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
/* y += x W for all outputs: at least 8 chains of sums hide the latency of the products, on wide vectors two for every
 * output. */
static inline void product(const float *x, const bf16 *w, float *y, int inputs, int outputs) {
    for (int block = 0; block < outputs; block += BLOCK) {
        floats sums[CHAINS][VECTORS];
        for (int v = 0; v < VECTORS; v++) {
            sums[0][v] = AT(y + block + W * v);
            for (int c = 1; c < CHAINS; c++) sums[c][v] = ALL(0.f);
        }
        for (int i = 0; i < inputs; i += CHAINS, w += BLOCK * CHAINS)
#pragma GCC unroll 2
            for (int c = 0; c < CHAINS; c++) {
                const floats input = ALL(x[i + c]);
#pragma GCC unroll 8
                for (int v = 0; v < VECTORS; v += 2) {
                    words both = *(const words *)(w + BLOCK * c + W * v);
                    __asm__("" : "+" VECTOR_REGISTER(both));  /* loaded once, not once for each half */
                    sums[c][v] += input * (floats)(both << 16);
                    sums[c][v + 1] += input * (floats)(both & 0xFFFF0000u);
                }
            }
        for (int v = 0; v < VECTORS; v++) {
            for (int c = 1; c < CHAINS; c++) sums[0][v] += sums[c][v];
            AT(y + block + W * v) = sums[0][v];
        }
    }
}
#endif

/* the larger and the smaller of x and y */
static inline floats most(floats x, floats y) {
    const ints larger = x > y;
    return (floats)((larger & (ints)x) | (~larger & (ints)y));
}
static inline floats least(floats x, floats y) { return -most(-x, -y); }

/* tanh by its continued fraction, cut off where it is 1 to four digits */
static inline floats squashed(floats x) {
    const floats end = ALL(4.97f), c = least(most(x, -end), end), q = c * c;
    const floats top = c * (135135.f + q * (17325.f + q * (378.f + q)));
    return top / (135135.f + q * (62370.f + q * (3150.f + q * 28.f)));
}

/* e to the power of x, at most 0: 2 to a whole number, put in the exponent, and a polynomial of the rest */
static inline floats exponential(floats x) {
    const floats c = 1.44269504f * most(x, ALL(-87.f));
    const ints whole = __builtin_convertvector(c - .5f, ints);
    const floats r = .693147181f * (c - __builtin_convertvector(whole, floats));
    const floats power = (floats)((whole + 127) << 23);
    return power * (1.f + r * (1.f + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r / 720.f))))));
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
            for (int j = 0; j < R; j += W)
                AT(gated + j) = squashed(AT(gates + j)) * (.5f + .5f * squashed(.5f * AT(gates + R + j)));
            memcpy(sums, taps + R, sizeof(float) * R);
            memcpy(sums + R, skips, sizeof skips);
            for (int j = 0; j < R + S; j++) sums[j] += mixed_bias[layer * (R + S) + j];
            product(gated, mixed + (size_t)layer * R * (R + S), sums, R, R + S);
            memcpy(taps + R, sums, sizeof(float) * R);
            memcpy(skips, sums + R, sizeof skips);
        }
        for (int j = 0; j < S; j += W) AT(skips + j) = most(AT(skips + j), ALL(0.f));
        memcpy(second, hidden_bias, sizeof second);
        product(skips, hidden, second, S, S);
        for (int j = 0; j < S; j += W) AT(second + j) = most(AT(second + j), ALL(0.f));
        memcpy(logits, output_bias, sizeof logits);
        product(second, output, logits, S, V);
        floats tops = AT(logits), totals = ALL(0.f);
        for (int v = W; v < V; v += W) tops = most(tops, AT(logits + v));
        float top = tops[0], total = 0.f;
        for (int j = 1; j < W; j++) top = tops[j] > top ? tops[j] : top;
        for (int v = 0; v < V; v += W) totals += AT(second + v) = exponential(AT(logits + v) - top);
        for (int j = 0; j < W; j++) total += totals[j];
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
