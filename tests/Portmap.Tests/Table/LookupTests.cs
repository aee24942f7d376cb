using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests.Table;

/// <summary>Lookups: by owner and by port, agreeing with each other, without allocating.</summary>
public class LookupTests
{
    [Fact]
    public async Task TryGet_UnknownOwnerOrPort_IsFalse()
    {
        await using Scene scene = new();

        scene.Registry.TryGetPort("b1", out int port).Should().BeFalse();
        port.Should().Be(0);
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeFalse();
        entry.Should().Be(default(PortEntry));
        scene.Registry.TryGetEntry(Scene.First, out entry).Should().BeFalse();
        scene.Registry.EnumerateOwners(Scene.First).Should().BeEmpty();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65536)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public async Task TryGetEntry_NotAPort_IsFalse(int port)
    {
        await using Scene scene = new(configure: options => options.Strategy = PortRegistryOptions.ProcessBinds);
        scene.Acquire("b1");

        scene.Registry.TryGetEntry(port, out _).Should().BeFalse();
        scene.Registry.TryGetEntry(port, out _, PortProtocol.Udp).Should().BeFalse();
        scene.Registry.EnumerateOwners(port).Should().BeEmpty();
    }

    [Fact]
    public async Task TryGet_Span_FindsWhatTheStringFinds()
    {
        await using Scene scene = new();
        PortEntry registered = scene.Here.Register("vol0:/bricks/ü", Scene.First);
        ReadOnlySpan<char> line = "GET vol0:/bricks/ü HTTP";

        scene.Registry.TryGetPort(line[4..18], out int port).Should().BeTrue();
        scene.Registry.TryGetEntry(line[4..18], out PortEntry entry).Should().BeTrue();

        port.Should().Be(Scene.First);
        entry.Should().Be(registered);
        scene.Registry.TryGetPort(line[4..17], out _).Should().BeFalse();
    }

    [Fact]
    public async Task TryGet_ManyOwners_EachFindsItsOwn()
    {
        await using Scene scene = new("1025-9024");
        for (int i = 0; i < 8000; i++)
        {
            scene.Here.Register(OwnerOf(i), 1025 + i);
        }

        for (int i = 0; i < 8000; i += 2)
        {
            scene.Here.Release(OwnerOf(i));
        }

        for (int i = 0; i < 8000; i++)
        {
            scene.PortOf(OwnerOf(i)).Should().Be(i % 2 == 0 ? 0 : 1025 + i);
        }
    }

    [Fact]
    public async Task Lookups_HitAndMiss_AllocateNothing()
    {
        await using Scene scene = new("1025-2024");
        for (int i = 0; i < 1000; i++)
        {
            scene.Here.Register(OwnerOf(i), 1025 + i);
        }

        const int Rounds = 1_000;
        long found = LookAround(scene.Registry, Rounds);
        long before = GC.GetAllocatedBytesForCurrentThread();
        found += LookAround(scene.Registry, Rounds);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        allocated.Should().Be(0);
        found.Should().Be(2 * Rounds * 5);
    }

    private static long LookAround(PortRegistry registry, int rounds)
    {
        long found = 0;
        for (int i = 0; i < rounds; i++)
        {
            found += registry.TryGetPort("owner7", out _) ? 1 : 0;
            found += registry.TryGetPort("owner7".AsSpan(), out _) ? 1 : 0;
            found += registry.TryGetEntry("owner7", out _) ? 1 : 0;
            found += registry.TryGetEntry("owner7".AsSpan(), out _) ? 1 : 0;
            found += registry.TryGetEntry(1030, out _) ? 1 : 0;
            found += registry.TryGetPort("nobody", out _) ? 1 : 0;
            found += registry.TryGetEntry("nobody".AsSpan(), out _) ? 1 : 0;
            found += registry.TryGetEntry(40000, out _) ? 1 : 0;
        }

        return found;
    }

    private static string OwnerOf(int i) => "owner" + i.ToString(CultureInfo.InvariantCulture);
}
