// The benchmark client that is zenwire.

#include "client_options.hpp"
#include "zenwire_client.hpp"

int main(int argc, char** argv) {
  return zenwire::bench::zenwire_client_main(argc, argv);
}
