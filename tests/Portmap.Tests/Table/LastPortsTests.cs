using CsCheck;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests.Table;

/// <summary>The memory of last ports against a plain dictionary, its bound, and threads that end
/// claims at once.</summary>
[Collection(AloneCollection.Name)]   // the heap is the process's
public class LastPortsTests
{
    [Fact]
    public void Recall_AnyHistory_AgreesWithADictionary() =>
        Gen.Select(Gen.Int[0, 200], Gen.Int[1, 40], Gen.Bool).Array[1, 400].SampleSeeds(history =>
        {
            LastPorts last = new(PortProtocol.Tcp);
            Dictionary<int, int> byOwner = [];
            foreach ((int owner, int port, bool isRemembered) in history)
            {
                foreach (int other in byOwner.Where(pair => pair.Value == port && pair.Key != owner).Select(pair => pair.Key).ToArray())
                {
                    byOwner.Remove(other);   // its port was given to another owner
                }

                if (isRemembered)
                {
                    last.Remember(Cell(owner), port);
                    byOwner[owner] = port;
                }
                else
                {
                    last.Displace(Cell(owner), port);
                }
            }

            for (int owner = 0; owner <= 200; owner++)
            {
                Recall(last, owner).Should().Be(byOwner.GetValueOrDefault(owner), "of owner {0}", owner);
                Enumerable.Range(1, 40).Where(port => IsLast(last, owner, port)).Should()
                    .Equal(byOwner.TryGetValue(owner, out int known) ? [known] : []);
            }
        });

    [Fact]
    public void Recall_EveryPortRemembersAnotherOwner_KnowsNearlyAll()
    {
        LastPorts last = new(PortProtocol.Tcp);
        for (int port = 1; port <= 65_535; port++)
        {
            last.Remember(Cell(port), port);
        }

        Enumerable.Range(1, 65_535).Count(port => Recall(last, port) == port).Should().BeGreaterThan(65_500);
    }

    [Fact]
    public void Remember_AMillionNamesOnFewPorts_TakesABoundedMemory()
    {
        LastPorts last = new(PortProtocol.Tcp);
        Play(100_000);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Play(1_000_000);

        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(1024 * 1024);
        Recall(last, 1_000_000).Should().Be(50_000 + (1_000_000 % 100));
        Recall(last, 999_000).Should().Be(0, "its port was given to others since");

        void Play(int names)
        {
            for (int i = 1; i <= names; i++)
            {
                last.Remember(Cell(i), 50_000 + (i % 100));
            }
        }
    }

    [Fact]
    public void Remember_AThousandOwnersOfOneHash_ForgetsSomeAndConfusesNone()
    {
        LastPorts last = new(PortProtocol.Tcp);
        for (int i = 1; i <= 1_000; i++)
        {
            last.Remember(new OwnerCell(Name(i), PortProtocol.Tcp, 4_711, PortClaim.Dead), 10_000 + i);
        }

        Enumerable.Range(1, 1_000).Select(i => (i, Port: last.Recall(Name(i), 4_711))).Where(pair => pair.Port != 0)
            .Should().HaveCountGreaterThan(20).And.OnlyContain(pair => pair.Port == 10_000 + pair.i);
    }

    [Fact]
    public void Remember_ManyThreadsEachWithItsOwners_KnowsEachLastPort()
    {
        LastPorts last = new(PortProtocol.Tcp);
        const int Threads = 8, Each = 500;
        Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
        {
            for (int turn = 0; turn < 4; turn++)
            {
                for (int i = 0; i < Each; i++)
                {
                    int owner = (thread * Each) + i;
                    last.Remember(Cell(owner), 1 + (thread * Each) + ((i + turn) % Each));   // each turn another port, which others had before
                }
            }
        });

        for (int owner = 0; owner < Threads * Each; owner++)
        {
            int thread = owner / Each, i = owner % Each;
            Recall(last, owner).Should().Be(1 + (thread * Each) + ((i + 3) % Each));
        }
    }

    private static string Name(int owner) => FormattableString.Invariant($"vol0:/bricks/b{owner}");

    private static int HashOf(int owner) => unchecked((int)(((uint)owner * 2_654_435_761u) ^ 0x5bd1_e995u));

    private static OwnerCell Cell(int owner) => new(Name(owner), PortProtocol.Tcp, HashOf(owner), PortClaim.Dead);

    private static int Recall(LastPorts last, int owner) => last.Recall(Name(owner), HashOf(owner));

    private static bool IsLast(LastPorts last, int owner, int port) => last.IsLast(Name(owner), HashOf(owner), port);
}
