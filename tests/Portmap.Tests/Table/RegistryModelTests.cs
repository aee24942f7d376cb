using CsCheck;

namespace Portmap.Tests.Table;

/// <summary>Random histories, one operation at a time: after each one the registry and the plain
/// model agree in all that can be looked up.</summary>
public class RegistryModelTests
{
    [Fact]
    public void Registry_AnyHistory_AgreesWithTheModel() => Play(durability: null, histories: 150);

    [Theory]
    [InlineData(PortDurability.Confirmed)]
    [InlineData(PortDurability.Background)]
    public void Registry_AnyHistoryOnAStore_AgreesWithTheModel(PortDurability durability) => Play(durability, histories: 50);

    private static void Play(PortDurability? durability, int histories) =>
        RegistryOperation.Any.List[1, 60].SampleSeeds(
            operations =>
            {
                using RegistryModelRun run = new(durability);
                foreach (RegistryOperation operation in operations)
                {
                    run.Do(operation);
                }
            },
            inputs: histories,
            threads: 2,
            print: operations => string.Join(Environment.NewLine, operations));
}
