using CsCheck;

namespace Portmap.Tests.Table;

/// <summary>Random histories, one operation at a time: after each one the registry and the plain
/// model agree in all that can be looked up.</summary>
public class RegistryModelTests
{
    [Fact]
    public void Registry_AnyHistory_AgreesWithTheModel() =>
        RegistryOperation.Any.List[1, 60].Sample(
            operations =>
            {
                using RegistryModelRun run = new();
                foreach (RegistryOperation operation in operations)
                {
                    run.Do(operation);
                }
            },
            iter: 300,
            print: operations => string.Join(Environment.NewLine, operations));
}
