using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A file with every kind of fact, cut at every byte, and with every byte flipped. Real
/// files, read by the real store.</summary>
public sealed class StateFileDamageTests : IDisposable
{
    private readonly StateFolderOfTest _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Cut_AtEveryByte_GivesTheFactsBeforeAndReportsTheRest()
    {
        (byte[] whole, List<int> ends) = await WriteEveryKindAsync();
        for (int length = 0; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(_folder.StatePath, whole[..length]);
            (List<string> lines, List<string> complaints) = await _folder.LoadAsync();

            // A fact is whole without its line break too; the first line is not.
            int facts = ends.Skip(1).Count(end => end - 1 <= length);
            int intact = facts > 0 ? Math.Min(ends[facts], length) : ends[0] <= length ? ends[0] : 0;
            lines.Should().Equal(FactGen.Standing(EveryKind()[..facts]), "cut at {0}", length);
            string? complaint = length == 0 ? "was empty" : intact < length ? $"last {length - intact} bytes" : null;
            complaints.Should().HaveCount(complaint is null ? 0 : 1, "cut at {0}", length);
            complaints.ForEach(text => text.Should().Contain(complaint));
            await GoesOnAsync(lines);
        }

        _folder.Files(".damaged-*").Should().BeEmpty("what is torn was never confirmed");
    }

    [Fact]
    public async Task Flip_EveryByte_LosesAtMostThatFactAndKeepsItAside()
    {
        (byte[] whole, List<int> ends) = await WriteEveryKindAsync();
        PortFact[] facts = EveryKind();
        byte[] flips = [0x01, 0x20, 0x80, 0xFF];
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= flips[at % flips.Length];
            await File.WriteAllBytesAsync(_folder.StatePath, damaged);
            (List<string> lines, List<string> complaints) = await _folder.LoadAsync();

            int line = ends.FindIndex(end => at < end);
            bool isLineBreak = at == ends[line] - 1;
            bool isLost = line > 0 && !isLineBreak;
            lines.Should().Equal(FactGen.Standing(isLost ? [.. facts[..(line - 1)], .. facts[line..]] : facts), "flipped at {0}", at);
            complaints.Should().ContainSingle("flipped at {0}", at);
            string kept = _folder.Files(".damaged-*").Should().ContainSingle("flipped at {0}: {1}", at, complaints[0]).Which;
            complaints[0].Should().Contain(kept);
            int start = line == 0 ? 0 : ends[line - 1];
            (await File.ReadAllBytesAsync(kept)).Should().Equal(isLineBreak && line > 0 ? damaged[at..(at + 1)] : damaged[start..ends[line]], "flipped at {0}", at);
            await GoesOnAsync(lines);
            File.Delete(kept);
        }
    }

    [Fact]
    public async Task Damage_OfSeveralLinesAndSeveralPlaces_IsReportedByPlace()
    {
        (byte[] whole, List<int> ends) = await WriteEveryKindAsync();
        Array.Clear(whole, ends[1], ends[3] - ends[1] - 1);   // two lines but for the last line break
        whole[ends[5] + 3] ^= 1;
        await File.WriteAllBytesAsync(_folder.StatePath, whole);

        (List<string> lines, List<string> complaints) = await _folder.LoadAsync();

        PortFact[] facts = EveryKind();
        lines.Should().Equal(FactGen.Standing([facts[0], .. facts[3..5], .. facts[6..]]));
        complaints.Should().HaveCount(2);
        complaints[0].Should().Contain(string.Create(CultureInfo.InvariantCulture, $"{ends[3] - ends[1]} bytes")).And.Contain(string.Create(CultureInfo.InvariantCulture, $"from {ends[1]} on"));
        complaints[1].Should().Contain(string.Create(CultureInfo.InvariantCulture, $"from {ends[5]} on"));
        _folder.Files(".damaged-*").Should().ContainSingle();
    }

    [Fact]
    public async Task Damage_LongerThanAnyLine_IsKeptWhole()
    {
        (byte[] whole, _) = await WriteEveryKindAsync();
        byte[] noise = new byte[1_000_000];
        new Random(1).NextBytes(noise);
        await File.WriteAllBytesAsync(_folder.StatePath, [.. whole, .. noise, (byte)'\n', .. whole]);

        (List<string> lines, List<string> complaints) = await _folder.LoadAsync();

        lines.Should().Equal(FactGen.Standing(EveryKind()));
        byte[] kept = await File.ReadAllBytesAsync(_folder.Files(".damaged-*").Single());
        kept.AsSpan().StartsWith(noise).Should().BeTrue();
        complaints.Should().HaveCount(1, "the second first line stands right after the noise");
    }

    [Fact]
    public async Task NameThatLooksLikeALine_InADamagedFile_BecomesNone()
    {
        // A worker chooses its owner's name. It must not be able to write a line of its own, not
        // even into a damaged file.
        byte[] forged = [.. FactLine.MakeHeader(StateScan.Version), .. System.Text.Encoding.UTF8.GetBytes("x")];
        PortFact honest = FactGen.Bound("\n" + System.Text.Encoding.UTF8.GetString(await LineOfAsync(FactGen.Bound("forged", 1, 1_600))) + System.Text.Encoding.UTF8.GetString(forged), 50_000, 16);
        await _folder.AppendAsync(honest);
        byte[] whole = await File.ReadAllBytesAsync(_folder.StatePath);
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x01;
            await File.WriteAllBytesAsync(_folder.StatePath, damaged);
            try
            {
                (await _folder.LoadAsync()).Lines.Should().NotContain(line => line.Contains("'forged'", StringComparison.Ordinal));
            }
            catch (PortRefusedException e)
            {
                e.Refusal.Reason.Should().Be(PortRefusalReason.StateUnreadable, "a damaged only line makes it no file of ours");
            }

            Array.ForEach(_folder.Files(".damaged-*"), File.Delete);
        }
    }

    /// <summary>Every state, both protocols, shared ports, names that need an escape, both ends of
    /// every number.</summary>
    private static PortFact[] EveryKind() =>
    [
        FactGen.Reserved("vol0:/bricks/b1", 50_000, 16, DateTimeOffset.MaxValue),
        FactGen.Bound("vol0:/bricks/b2", 50_001, 32),
        FactGen.Ended("vol0:/bricks/b3", 50_002, 48, DateTimeOffset.MaxValue),
        FactGen.Reserved("brings its port", 0, 64, DateTimeOffset.MaxValue),
        FactGen.Bound("shares", 50_001, 80),
        FactGen.Bound("two\nlines # and \\ and \u20ac", 50_003, long.MaxValue),
        new() { Protocol = PortProtocol.Udp, Owner = " ", Port = 65_535, Epoch = 1, State = PortState.Bound, ProcessId = int.MaxValue, ProcessStart = long.MaxValue },
        PortFact.Mark(1L << 62),
    ];

    /// <returns>The file, and where each line of it ends.</returns>
    private async Task<(byte[] Whole, List<int> Ends)> WriteEveryKindAsync()
    {
        File.Delete(_folder.StatePath);
        await _folder.AppendAsync(EveryKind());
        byte[] whole = await File.ReadAllBytesAsync(_folder.StatePath);
        return (whole, [.. Enumerable.Range(0, whole.Length).Where(i => whole[i] == '\n').Select(i => i + 1)]);
    }

    private static async Task<byte[]> LineOfAsync(PortFact fact)
    {
        using StateFolderOfTest other = new();
        await other.AppendAsync(fact);
        return (await File.ReadAllBytesAsync(other.StatePath))[FactLine.Header.Length..];
    }

    /// <summary>What was recovered is there again, with nothing to report.</summary>
    private async Task GoesOnAsync(List<string> lines)
    {
        await _folder.AppendAsync();   // nothing; until then what was lost is told by every opening
        (List<string> again, List<string> complaints) = await _folder.LoadAsync();
        again.Should().Equal(lines);
        complaints.Should().BeEmpty();
    }
}
