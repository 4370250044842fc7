// Apache Santuario on one core: CPU microseconds to verify, and to sign, one message.
//   java -cp xmlsec.jar Santuario.java ENVELOPE KEY.p12 ALGORITHM-URI
// The message is signed already (parts with ids, or without any the whole, enveloped); it is verified as it is, and signed again without its signature.
import java.io.File;
import java.io.FileInputStream;
import java.lang.management.ManagementFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.xml.security.Init;
import org.apache.xml.security.signature.XMLSignature;
import org.apache.xml.security.transforms.Transforms;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class Santuario {
    static final String DS = "http://www.w3.org/2000/09/xmldsig#";
    static final String WSU =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    static final String C14N = "http://www.w3.org/2001/10/xml-exc-c14n#";
    static final int PASSES = 12, TIMES = 500;

    interface Work {
        void run() throws Exception;
    }

    public static void main(String[] words) throws Exception {
        Init.init();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(words[1]), "x".toCharArray());
        PrivateKey key = (PrivateKey) store.getKey("key", "x".toCharArray());
        X509Certificate certificate = (X509Certificate) store.getCertificate("key");
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        Document document = factory.newDocumentBuilder().parse(new File(words[0]));
        List<String> names = new ArrayList<>();
        NodeList all = document.getElementsByTagName("*");
        for (int n = 0; n < all.getLength(); n++) {
            Element element = (Element) all.item(n);
            if (element.hasAttributeNS(WSU, "Id")) {
                element.setIdAttributeNS(WSU, "Id", true);
                names.add(element.getAttributeNS(WSU, "Id"));
            }
        }
        Element signed = (Element) document.getElementsByTagNameNS(DS, "Signature").item(0);
        double verifyUs = cpuUs(() -> {
            if (!new XMLSignature(signed, "").checkSignatureValue(certificate.getPublicKey()))
                throw new IllegalStateException("not valid");
        });
        Element security = (Element) signed.getParentNode();
        security.removeChild(signed);
        double signUs = cpuUs(() -> {
            XMLSignature made = new XMLSignature(document, "", words[2], C14N);
            security.appendChild(made.getElement());
            for (String name : names) {
                Transforms transforms = new Transforms(document);
                transforms.addTransform(C14N);
                made.addDocument("#" + name, transforms, "http://www.w3.org/2001/04/xmlenc#sha256");
            }
            if (names.isEmpty()) {
                Transforms transforms = new Transforms(document);
                transforms.addTransform(Transforms.TRANSFORM_ENVELOPED_SIGNATURE);
                transforms.addTransform(C14N);
                made.addDocument("", transforms, "http://www.w3.org/2001/04/xmlenc#sha256");
            }
            made.sign(key);
            security.removeChild(made.getElement());
        });
        System.out.println(verifyUs + " " + signUs);
    }

    static double cpuUs(Work work) throws Exception {
        double best = Double.MAX_VALUE;
        var threads = ManagementFactory.getThreadMXBean();
        for (int pass = 0; pass < PASSES; pass++) {
            long started = threads.getCurrentThreadCpuTime();
            for (int n = 0; n < TIMES; n++) work.run();
            best = Math.min(best, (threads.getCurrentThreadCpuTime() - started) / 1000.0 / TIMES);
        }
        return best;
    }
}
