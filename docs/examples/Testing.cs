using Portmap;

namespace Examples;

/// <summary>A registry in a test of a host's own code.</summary>
public static class Testing
{
    public static PortRegistry InMemory(TimeProvider clock) => new(
        new PortRegistryOptions
        {
            Ports = "50000-50009",
            Strategy = PortRegistryOptions.AllocatorPicks,
            Order = PortOrder.LowestFree,   // 50000 first
            Probe = false,                  // asks the operating system nothing, and holds no port in it
        },
        timeProvider: clock);
}
