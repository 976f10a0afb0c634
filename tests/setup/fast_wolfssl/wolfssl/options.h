// What setup_wolfssl_fast reads in place of a real wolfSSL's.
#define LARGE_STATIC_BUFFERS
#define CUSTOM_RAND_GENERATE_BLOCK zenwire_rand_generate_block
#define WOLFSSL_AESNI
#define USE_INTEL_SPEEDUP
#define WOLF_CRYPTO_CB
