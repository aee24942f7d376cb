using Portmap.Tests.NoLocks.Controls;

namespace Portmap.Tests.NoLocks;

/// <summary>Promise 5: nobody waits. The code of the shipped assembly names nothing that takes a
/// lock or waits for a thread, but where the design says so.</summary>
public class NoLockTests
{
    /// <summary>What may wait: the store's writer, metrics and log, the set-up of the host's
    /// container, and of the guard what is not beside a claim. Who reads the kernel's lists rents his
    /// buffers; <c>Patience</c> is that of who places a placeholder, where it has an end, and of who
    /// opens a gate.</summary>
    private static readonly string[] s_mayWait =
    [
        "Portmap.Persistence.", "Portmap.Guarding.ListenTable", "Portmap.Guarding.Patience",
        "Portmap.Diagnostics.", $"Portmap.{nameof(PortmapExtensions)}", "Portmap.Operations.PreparedStarts",   // the last: beside the start of a process
    ];

    [Fact]
    public void Portmap_OutsideTheStoreAndDiagnostics_NamesNothingThatBlocks() =>
        Blocking(typeof(PortRegistry), by => !Array.Exists(s_mayWait, name => by.StartsWith(name, StringComparison.Ordinal))).Should().BeEmpty();

    [Fact]
    public void Walk_OfTheShippedAssembly_SeesItsCode()
    {
        List<MemberUse> uses = MemberUses.Of(typeof(PortRegistry).Assembly);

        uses.Should().Contain(use => use.By == "Portmap.Table.PortClaim" && use.Type == "System.Threading.Interlocked" && use.Member == "CompareExchange");
        uses.Should().Contain(use => use.By == "Portmap.Table.ChangeLog" && use.Type == "System.Threading.Tasks.TaskCompletionSource", "lambdas and state machines count");
    }

    /// <summary>The detector is tested: code that uses each thing on the list is found for each
    /// thing on the list.</summary>
    [Fact]
    public void Walk_OfCodeThatBlocks_FindsEveryKind()
    {
        IEnumerable<string> found = Blocking(typeof(CodeThatBlocks), by => by == typeof(CodeThatBlocks).FullName).Select(use => use.Kind).Distinct();

        found.Should().BeEquivalentTo(BlockingMember.All.Select(member => member.Type));
    }

    [Fact]
    public void Walk_OfCodeThatDoesNotBlock_FindsNothing() =>
        Blocking(typeof(CodeThatDoesNotBlock), by => by == typeof(CodeThatDoesNotBlock).FullName).Should().BeEmpty();

    private static List<(string Kind, string Use)> Blocking(Type ofAssembly, Func<string, bool> counts) =>
    [
        .. from use in MemberUses.Of(ofAssembly.Assembly)
           where counts(use.By)
           from member in BlockingMember.All
           where member.IsUsedBy(use.Type, use.Member)
           select (member.Type, $"{use.By}, {use.Where} uses {use.Type}.{use.Member}: {member.Reason}"),
    ];
}
