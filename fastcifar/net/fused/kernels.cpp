// Batch norm, activation and 2x2 max pooling in as few passes over memory as batch norm allows.
//
// Images are channels last: (N, H, W, C), dense. Numbers are float or bfloat16; all arithmetic is in float. Sums over
// pixels go through a fixed number of parts, whatever the number of threads, so that results do not depend on it.
// A NaN stays a NaN: nothing here may be compiled with -ffast-math.

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

struct bfloat16 {
  uint16_t bits;
};

inline float get(const float* p) { return *p; }
inline void put(float* p, float value) { *p = value; }

inline float get(const bfloat16* p) {
  uint32_t bits = static_cast<uint32_t>(p->bits) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline void put(bfloat16* p, float value) {  // rounds to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  p->bits = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// exp for x <= 0, to 2 units in the last place: 2^n times a polynomial, without branches.
inline float exp_negative(float x) {
  x = x < -87.0f ? -87.0f : x;
  float n = std::floor(x * 1.44269504f + 0.5f);
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.0f + r * (1.0f + r * (0.5f + r * (0.166666667f + r * (0.0416666667f + r * (8.33333333e-3f + r * 1.38888889e-3f)))));
  uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return p * power;
}

// Each activation: its value, and its slope, at u.
struct Identity {
  static inline float value(float u) { return u; }
  static inline float slope(float) { return 1.0f; }
};

struct Relu {
  // As a maximum, pooling's loop over it would not be vectorized (gcc 12).
  static inline float value(float u) { return 0.5f * (u + std::fabs(u)); }
  static inline float slope(float u) { return u > 0.0f ? 1.0f : 0.0f; }
};

struct Silu {
  static inline float sigmoid(float u) {
    float e = exp_negative(-std::fabs(u));
    return (u < 0.0f ? e : 1.0f) / (1.0f + e);
  }
  static inline float value(float u) { return u * sigmoid(u); }
  static inline float slope(float u) {
    float s = sigmoid(u);
    return s + u * s * (1.0f - s);
  }
};

struct Gelu {
  // The normal distribution function by Abramowitz and Stegun 7.1.26 (error 1.5e-7), from e = exp(-u^2 / 2).
  static inline float below(float u, float e) {
    float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * std::fabs(u));
    float p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    float upper = 0.5f * p * e;
    return u < 0.0f ? upper : 1.0f - upper;
  }
  static inline float value(float u) { return u * below(u, exp_negative(-0.5f * u * u)); }
  static inline float slope(float u) {
    float e = exp_negative(-0.5f * u * u);
    return below(u, e) + u * 0.39894228f * e;
  }
};

// Channels are done LANES at a time, at least so many there are; the last block reaches back to be full. f(c, slot): the
// first channel of a block, and where its sums lie. What f writes must depend on the channel only.
constexpr int64_t LANES = 16;

template <class F>
inline void in_blocks(int64_t channels, const F& f) {
  int64_t c = 0;
  for (; c + LANES <= channels; c += LANES) f(c, c);
  if (c < channels) f(channels - LANES, c);
}

constexpr int64_t PARTS = 64;
constexpr int64_t ROWS = 64;  // whose sum is kept in float before it goes into a double

// Runs add(row, first, second) for every row in parts, with two sums for each slot. totals: (2, channels) doubles.
template <class Add>
void sum_rows(int64_t rows, int64_t channels, double* totals, int threads, const Add& add) {
  const int64_t slots = (channels + LANES - 1) / LANES * LANES;
  double* parts = new double[PARTS * 2 * slots]();
#pragma omp parallel num_threads(threads)
  {
    float* sums = new float[2 * slots];
#pragma omp for schedule(static)
    for (int64_t part = 0; part < PARTS; ++part) {
      const int64_t last = rows * (part + 1) / PARTS;
      for (int64_t first = rows * part / PARTS; first < last; first += ROWS) {
        std::memset(sums, 0, 2 * slots * sizeof(float));
        for (int64_t row = first; row < last && row < first + ROWS; ++row) add(row, sums, sums + slots);
        for (int64_t i = 0; i < 2 * slots; ++i) parts[part * 2 * slots + i] += sums[i];
      }
    }
    delete[] sums;
  }
  const int64_t whole = channels / LANES * LANES, skipped = slots - channels;  // of the last block's lanes
  for (int64_t i = 0; i < 2 * channels; ++i) {
    const int64_t c = i % channels, slot = i / channels * slots + (c < whole ? c : c + skipped);
    totals[i] = 0;
    for (int64_t part = 0; part < PARTS; ++part) totals[i] += parts[part * 2 * slots + slot];
  }
  delete[] parts;
}

// Mean and variance (of the sample, not its unbiased estimate) of each channel, from the differences to the first row.
template <class T>
void moments(const T* x, int64_t rows, int64_t channels, float* mean, float* variance, int threads) {
  float* pivot = new float[channels];
  for (int64_t c = 0; c < channels; ++c) pivot[c] = get(x + c);
  double* totals = new double[2 * channels];
  sum_rows(rows, channels, totals, threads, [=](int64_t row, float* first, float* second) {
    in_blocks(channels, [=](int64_t c, int64_t slot) {
      const T* p = x + row * channels + c;
#pragma omp simd
      for (int64_t i = 0; i < LANES; ++i) {
        float d = get(p + i) - pivot[c + i];
        first[slot + i] += d;
        second[slot + i] += d * d;
      }
    });
  });
  for (int64_t c = 0; c < channels; ++c) {
    double m = totals[c] / rows, square = totals[channels + c] / rows - m * m;
    mean[c] = static_cast<float>(pivot[c] + m);
    variance[c] = static_cast<float>(square < 0 ? 0 : square);
  }
  delete[] totals;
  delete[] pivot;
}

// z = activation(scale x + shift).
template <class T, class A>
void apply(const T* x, const float* scale, const float* shift, T* z, int64_t rows, int64_t channels, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t row = 0; row < rows; ++row) {
    in_blocks(channels, [=](int64_t c, int64_t) {
      const T* p = x + row * channels + c;
      T* q = z + row * channels + c;
#pragma omp simd
      for (int64_t i = 0; i < LANES; ++i) put(q + i, A::value(scale[c + i] * get(p + i) + shift[c + i]));
    });
  }
}

// g = dz activation'(scale x + shift); the sums over the pixels of g and of g (x - mean).
template <class T, class A>
void slope_sums(const T* x, const T* dz, const float* scale, const float* shift, const float* mean, double* totals,
                int64_t rows, int64_t channels, int threads) {
  sum_rows(rows, channels, totals, threads, [=](int64_t row, float* first, float* second) {
    in_blocks(channels, [=](int64_t c, int64_t slot) {
      const T *p = x + row * channels + c, *d = dz + row * channels + c;
#pragma omp simd
      for (int64_t i = 0; i < LANES; ++i) {
        float v = get(p + i), g = get(d + i) * A::slope(scale[c + i] * v + shift[c + i]);
        first[slot + i] += g;
        second[slot + i] += g * (v - mean[c + i]);
      }
    });
  });
}

// dx = scale g + on_x x + constant, with g as above.
template <class T, class A>
void slope_apply(const T* x, const T* dz, const float* scale, const float* shift, const float* on_x,
                 const float* constant, T* dx, int64_t rows, int64_t channels, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t row = 0; row < rows; ++row) {
    in_blocks(channels, [=](int64_t c, int64_t) {
      const T *p = x + row * channels + c, *d = dz + row * channels + c;
      T* q = dx + row * channels + c;
#pragma omp simd
      for (int64_t i = 0; i < LANES; ++i) {
        float v = get(p + i), g = get(d + i) * A::slope(scale[c + i] * v + shift[c + i]);
        put(q + i, scale[c + i] * g + on_x[c + i] * v + constant[c + i]);
      }
    });
  }
}

// Where a pooled pixel's four come from. Odd last rows and columns belong to no window.
struct Windows {
  int64_t height, width, channels;  // of the images before pooling
  int64_t rows(int64_t images) const { return images * (height / 2); }  // rows of pooled pixels
  int64_t source(int64_t row) const {  // of the first window of such a row
    const int64_t half = height / 2;
    return ((row / half) * height + 2 * (row % half)) * width * channels;
  }
};

inline void better(float value, int32_t at, float* best, int32_t* place) {
  int32_t more = static_cast<int32_t>(value > *best) | static_cast<int32_t>(value != value);
  *best = more ? value : *best;
  *place = more ? at : *place;
}

// z = the largest of the four of activation(scale x + shift); index: which of them, the first of equals.
template <class T, class A>
void pool_apply(const T* x, const float* scale, const float* shift, T* z, uint8_t* index, int64_t images, Windows w,
                int threads) {
  const int64_t channels = w.channels, out = w.width / 2;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t row = 0; row < w.rows(images); ++row) {
    const T *upper = x + w.source(row), *lower = upper + w.width * channels;
    T* q = z + row * out * channels;
    uint8_t* k = index + row * out * channels;
    for (int64_t column = 0; column < out; ++column) {
      in_blocks(channels, [=](int64_t c, int64_t) {
        const T *p = upper + c, *right = p + channels, *below = lower + c, *across = below + channels;
#pragma omp simd
        for (int64_t i = 0; i < LANES; ++i) {
          const float a = scale[c + i], b = shift[c + i];
          float best = A::value(a * get(p + i) + b);
          int32_t place = 0;
          better(A::value(a * get(right + i) + b), 1, &best, &place);
          better(A::value(a * get(below + i) + b), 2, &best, &place);
          better(A::value(a * get(across + i) + b), 3, &best, &place);
          put(q + c + i, best);
          k[c + i] = static_cast<uint8_t>(place);
        }
      });
      upper += 2 * channels, lower += 2 * channels, q += channels, k += channels;
    }
  }
}

// As slope_sums, where dz is that of the pooled image.
template <class T, class A>
void pool_slope_sums(const T* x, const T* dz, const uint8_t* index, const float* scale, const float* shift,
                     const float* mean, double* totals, int64_t images, Windows w, int threads) {
  const int64_t channels = w.channels, out = w.width / 2;
  sum_rows(w.rows(images) * out, channels, totals, threads, [=](int64_t pixel, float* first, float* second) {
    const T *upper = x + w.source(pixel / out) + 2 * (pixel % out) * channels, *lower = upper + w.width * channels;
    in_blocks(channels, [=](int64_t c, int64_t slot) {
      const T *p = upper + c, *right = p + channels, *below = lower + c, *across = below + channels;
      const T* d = dz + pixel * channels + c;
      const uint8_t* k = index + pixel * channels + c;
#pragma omp simd
      for (int64_t i = 0; i < LANES; ++i) {
        const int32_t place = k[i];
        const float a = get(p + i), b = get(right + i), e = get(below + i), f = get(across + i);
        const float v = place & 2 ? (place & 1 ? f : e) : (place & 1 ? b : a);
        const float g = get(d + i) * A::slope(scale[c + i] * v + shift[c + i]);
        first[slot + i] += g;
        second[slot + i] += g * (v - mean[c + i]);
      }
    });
  });
}

// As slope_apply, where dz is that of the pooled image.
template <class T, class A>
void pool_slope_apply(const T* x, const T* dz, const uint8_t* index, const float* scale, const float* shift,
                      const float* on_x, const float* constant, T* dx, int64_t images, Windows w, int threads) {
  const int64_t channels = w.channels, out = w.width / 2;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t line = 0; line < images * w.height; ++line) {
    const int64_t y = line % w.height, windows = y / 2 < w.height / 2 ? out : 0;
    const int64_t pooled = (line / w.height * (w.height / 2) + y / 2) * out;  // the first of this line's windows
    const T* p = x + line * w.width * channels;
    T* q = dx + line * w.width * channels;
    for (int64_t column = 0; column < 2 * windows; ++column, p += channels, q += channels) {
      const int32_t here = static_cast<int32_t>(2 * (y % 2) + column % 2);
      const T* d = dz + (pooled + column / 2) * channels;
      const uint8_t* k = index + (pooled + column / 2) * channels;
      in_blocks(channels, [=](int64_t c, int64_t) {
#pragma omp simd
        for (int64_t i = c; i < c + LANES; ++i) {
          const float v = get(p + i), all = get(d + i) * A::slope(scale[i] * v + shift[i]);
          const float g = static_cast<int32_t>(k[i]) == here ? all : 0.0f;
          put(q + i, scale[i] * g + on_x[i] * v + constant[i]);
        }
      });
    }
    for (int64_t column = 2 * windows; column < w.width; ++column, p += channels, q += channels) {
      in_blocks(channels, [=](int64_t c, int64_t) {
#pragma omp simd
        for (int64_t i = c; i < c + LANES; ++i) put(q + i, on_x[i] * get(p + i) + constant[i]);
      });
    }
  }
}

// The gradient of a pooled image goes to where its maxima were. T is an unsigned integer as wide as the numbers.
template <class T>
void unpool(const T* dz, const uint8_t* index, T* dx, int64_t images, Windows w, int threads) {
  const int64_t channels = w.channels, out = w.width / 2;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t line = 0; line < images * w.height; ++line) {
    const int64_t y = line % w.height, windows = y / 2 < w.height / 2 ? out : 0;
    const int64_t pooled = (line / w.height * (w.height / 2) + y / 2) * out;
    T* q = dx + line * w.width * channels;
    for (int64_t column = 0; column < 2 * windows; ++column, q += channels) {
      const int32_t here = static_cast<int32_t>(2 * (y % 2) + column % 2);
      const T* d = dz + (pooled + column / 2) * channels;
      const uint8_t* k = index + (pooled + column / 2) * channels;
      in_blocks(channels, [=](int64_t c, int64_t) {
#pragma omp simd
        for (int64_t i = c; i < c + LANES; ++i) q[i] = static_cast<int32_t>(k[i]) == here ? d[i] : T{0};
      });
    }
    std::memset(q, 0, (w.width - 2 * windows) * channels * sizeof(T));
  }
}

template <class F>
void with_activation(int activation, const F& f) {
  switch (activation) {
    case 0: return f(Identity{});
    case 1: return f(Relu{});
    case 2: return f(Gelu{});
    default: return f(Silu{});
  }
}

}  // namespace

// half: whether numbers are bfloat16 or float. activation: 0 none, 1 ReLU, 2 GELU, 3 SiLU. x, z and their gradients:
// (images, height, width, channels), z pooled where index is given. totals: (2, channels).
#define WITH_TYPE(half, ...)                           \
  if (half) {                                          \
    using T = bfloat16;                                \
    __VA_ARGS__                                        \
  } else {                                             \
    using T = float;                                   \
    __VA_ARGS__                                        \
  }

extern "C" {

void fc_moments(int half, const void* x, int64_t rows, int64_t channels, float* mean, float* variance, int threads) {
  WITH_TYPE(half, moments(static_cast<const T*>(x), rows, channels, mean, variance, threads);)
}

void fc_forward(int half, int activation, const void* x, const float* scale, const float* shift, void* z,
                uint8_t* index, int64_t images, int64_t height, int64_t width, int64_t channels, int threads) {
  const Windows w{height, width, channels};
  const int64_t rows = images * height * width;
  WITH_TYPE(half, with_activation(activation, [&](auto a) {
              using A = decltype(a);
              const T* from = static_cast<const T*>(x);
              T* to = static_cast<T*>(z);
              if (index)
                pool_apply<T, A>(from, scale, shift, to, index, images, w, threads);
              else
                apply<T, A>(from, scale, shift, to, rows, channels, threads);
            });)
}

void fc_backward_sums(int half, int activation, const void* x, const void* dz, const uint8_t* index,
                      const float* scale, const float* shift, const float* mean, double* totals, int64_t images,
                      int64_t height, int64_t width, int64_t channels, int threads) {
  const Windows w{height, width, channels};
  const int64_t rows = images * height * width;
  WITH_TYPE(half, with_activation(activation, [&](auto a) {
              using A = decltype(a);
              const T *from = static_cast<const T*>(x), *d = static_cast<const T*>(dz);
              if (index)
                pool_slope_sums<T, A>(from, d, index, scale, shift, mean, totals, images, w, threads);
              else
                slope_sums<T, A>(from, d, scale, shift, mean, totals, rows, channels, threads);
            });)
}

void fc_backward(int half, int activation, const void* x, const void* dz, const uint8_t* index, const float* scale,
                 const float* shift, const float* on_x, const float* constant, void* dx, int64_t images,
                 int64_t height, int64_t width, int64_t channels, int threads) {
  const Windows w{height, width, channels};
  const int64_t rows = images * height * width;
  WITH_TYPE(half, with_activation(activation, [&](auto a) {
              using A = decltype(a);
              const T *from = static_cast<const T*>(x), *d = static_cast<const T*>(dz);
              T* to = static_cast<T*>(dx);
              if (index)
                pool_slope_apply<T, A>(from, d, index, scale, shift, on_x, constant, to, images, w, threads);
              else
                slope_apply<T, A>(from, d, scale, shift, on_x, constant, to, rows, channels, threads);
            });)
}

void fc_unpool(int half, const void* dz, const uint8_t* index, void* dx, int64_t images, int64_t height, int64_t width,
               int64_t channels, int threads) {
  const Windows w{height, width, channels};
  if (half)
    unpool(static_cast<const uint16_t*>(dz), index, static_cast<uint16_t*>(dx), images, w, threads);
  else
    unpool(static_cast<const uint32_t*>(dz), index, static_cast<uint32_t*>(dx), images, w, threads);
}

}  // extern "C"
