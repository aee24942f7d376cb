namespace Portmap.Tests.Table;

/// <summary>What a registry costs before anything is in it.</summary>
public class MemoryTests
{
    [Fact]
    public void Constructor_AllPorts_AllocatesAtMost1536KiB()
    {
        PortRegistryOptions options = new() { Ports = "1-65535" };
        new PortRegistry(options).Dispose(); // what is made once for all registries is not the registry's

        long before = GC.GetAllocatedBytesForCurrentThread();
        using PortRegistry registry = new(options);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        allocated.Should().BeLessThanOrEqualTo(1536 * 1024);
    }
}
