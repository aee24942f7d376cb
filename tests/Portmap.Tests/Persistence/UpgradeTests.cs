using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A state that an earlier version wrote is read whole.</summary>
/// <remarks>The files beside this test were written by a host of that version: one lease that was
/// registered, one that was released, one on both protocols, one without a port.</remarks>
public sealed class UpgradeTests
{
    private const string Released = @"gone # \ ü";
    private const long Mark = 1883162038044213248;

    [Fact]
    public async Task Load_StateOf010_GivesEveryFact()
    {
        using StateFolderOfTest folder = Folder();

        (List<string> lines, List<string> complaints) = await folder.LoadAsync();

        complaints.Should().BeEmpty();
        lines.Should().HaveCount(6).And.Contain(line => line.Contains("Tcp 20000 'web' 1883161969324736528 of 0 Bound", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Load_StateOf010_IsWrittenAnewInTheVersionOfNow()
    {
        using StateFolderOfTest folder = Folder();

        await folder.LoadAsync();

        (await File.ReadAllBytesAsync(folder.StatePath)).AsSpan(0, FactLine.Header.Length).SequenceEqual(FactLine.Header)
            .Should().BeTrue("0.1.0 must refuse what it would misread");
    }

    [Fact]
    public async Task Open_StateOf010_GoesOnWithItsEpochsAndLastPorts()
    {
        using StateFolderOfTest folder = Folder();
        await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions
        {
            Ports = "20000-20009",
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            StateFolder = folder.Path,
        }).Within();

        PortLease lease = await registry.AcquireAsync(new PortRequest(Released) { Reuse = PortReuse.Require });

        lease.Port.Should().Be(20001);
        lease.Epoch.Should().BeGreaterThan(Mark, "0.1.0 may have given all below it");
        registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.StateUnreadable);
    }

    private static StateFolderOfTest Folder()
    {
        StateFolderOfTest folder = new();
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Persistence", "States", "0.1.0.state"), folder.StatePath);
        return folder;
    }
}
