// What setup_wolfssl_slow reads in place of a real wolfSSL's. A longer name and an #undef must not
// count.
#define CUSTOM_RAND_GENERATE_BLOCK zenwire_rand_generate_block
#define USE_INTEL_SPEEDUP
#define WOLFSSL_AESNI_BY4
#undef LARGE_STATIC_BUFFERS
#define WOLF_CRYPTO_CB
