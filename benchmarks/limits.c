/* What a core can do at most: vector fused multiply-adds in registers, reads of a buffer, and the clock to compare
 * them with. Built by benchmarks/limits.py; GNU vector extensions, for GCC and Clang.
 *
 * The empty asm statements keep every value in a register of its own: the compiler can neither combine steps nor move
 * a sum to the stack, unless there are more of them than registers. */
#include <stdint.h>

#if defined(__AVX512F__)
enum { WIDTH = 16, REGISTERS = 32 };
#define VECTOR_REGISTER "v"
#elif defined(__AVX__)
enum { WIDTH = 8, REGISTERS = 16 };
#define VECTOR_REGISTER "x"
#elif defined(__SSE2__)
enum { WIDTH = 4, REGISTERS = 16 };
#define VECTOR_REGISTER "x"
#elif defined(__aarch64__)
enum { WIDTH = 4, REGISTERS = 32 };
#define VECTOR_REGISTER "w"
#else
#error "limits.c knows the vector registers of x86-64 and aarch64 only"
#endif

typedef float floats __attribute__((vector_size(4 * WIDTH)));

#define KEEP(s) __asm__ volatile("" : "+" VECTOR_REGISTER(s));
#define USE(v) __asm__ volatile("" : : VECTOR_REGISTER(v));

/* Independent chains of sums: at least latency times units of the core (4 × 2, on the widest 4 × 4), and few enough
 * that the factors have registers, too. */
#define TWELVE(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#if defined(__AVX512F__) || defined(__aarch64__)
enum { CHAINS = 24 };
#define EVERY(f) \
    TWELVE(f) f(12) f(13) f(14) f(15) f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23)
#else
enum { CHAINS = 12 };
#define EVERY(f) TWELVE(f)
#endif

int limits_width(void) { return WIDTH; }
int limits_registers(void) { return REGISTERS; }
int limits_chains(void) { return CHAINS; }

/* Whether one instruction multiplies and adds. */
int limits_fused(void) {
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
    return 1;
#else
    return 0;
#endif
}

/* count × CHAINS vector multiply-adds. */
float limits_multiply_add(int64_t count, float x) {
    floats a = x - (floats){0}, b = a, total = a;
#define BEGIN(k) floats s##k = a;
#define STEP(k) s##k += a * b; KEEP(s##k)
#define ADD(k) total += s##k;
    EVERY(BEGIN)
    for (int64_t i = 0; i < count; i++) {
        KEEP(a) KEEP(b)
        EVERY(STEP)
    }
    EVERY(ADD)
    return total[0];
}

/* Read `bytes` from an aligned buffer, a multiple of 16 vectors, `repeats` times. */
void limits_read(const floats *buffer, int64_t bytes, int64_t repeats) {
    const floats *const end = buffer + bytes / (int64_t)sizeof(floats);
    while (repeats-- > 0) {
#define LOAD(k) { floats v = p[k]; USE(v) }
        for (const floats *p = buffer; p < end; p += 16) { TWELVE(LOAD) LOAD(12) LOAD(13) LOAD(14) LOAD(15) }
    }
}

/* count × 32 dependent additions of registers, each of which takes a cycle. */
int64_t limits_additions(int64_t count, int64_t x) {
    int64_t sum = x;
#define ONE sum += x; __asm__ volatile("" : "+r"(sum), "+r"(x));
#define EIGHT ONE ONE ONE ONE ONE ONE ONE ONE
    for (int64_t i = 0; i < count; i++) { EIGHT EIGHT EIGHT EIGHT }
    return sum;
}
