using System.Diagnostics.Metrics;
using Portmap.Diagnostics;

namespace Portmap.Tests.Diagnostics;

/// <summary>Registries of one process are told apart by a tag of their meters.</summary>
public sealed class KeyedMetersTests
{
    [Fact]
    public void Create_UnderAKey_HasTheTagBesideThoseOfTheMeter()
    {
        using Factory factory = new();
        using IMeterFactory keyed = KeyedMeters.Of(factory, "a")!;

        Meter meter = keyed.Create(new MeterOptions("Portmap") { Version = "2", Tags = [new("site", "here")] });

        meter.Version.Should().Be("2");
        meter.Tags.Should().BeEquivalentTo(new Dictionary<string, object?> { ["site"] = "here", [KeyedMeters.Tag] = "a" });
    }

    [Fact]
    public void Of_WithoutAKeyOrAFactory_IsWhatThereWas()
    {
        using Factory factory = new();

        KeyedMeters.Of(factory, null).Should().BeSameAs(factory);
        KeyedMeters.Of(null, "a").Should().BeNull();
    }

    private sealed class Factory : IMeterFactory
    {
        private readonly List<Meter> _made = [];

        public Meter Create(MeterOptions options)
        {
            _made.Add(new Meter(options));
            return _made[^1];
        }

        public void Dispose() => _made.ForEach(meter => meter.Dispose());
    }
}
