// The benchmark client that is the floor.

#include "client_options.hpp"
#include "floor_client.hpp"

int main(int argc, char** argv) {
  zenwire::bench::FloorClient client(zenwire::bench::parse_client_options(argc, argv));
  client.measure();
  return client.run().finish();
}
